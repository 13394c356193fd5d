"""VOEvents over the VOEvent Transport Protocol: Comet as a child, a spool before its ACK."""
