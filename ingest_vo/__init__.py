"""VOEvent, GCN and IGWN packets to notices; mission spellings end here.

Pure decoders: bytes in, :class:`correlator.notice.Notice` or
:class:`correlator.errors.MalformedNoticeError` out. The one door is
:func:`ingest_vo.reader.to_notice`. A new feed is one file and one row of a table in
``reader.py``; a feed of the GCN unified schema is one row of the table in ``gcn.py``.
"""
