"""VOEvent, GCN and IGWN packets to notices; mission spellings end here."""
