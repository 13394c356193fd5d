"""A client for readers: notices from Kafka, and the rows of the REST interface.

It needs neither the streaming framework nor the database of the service.
"""

from correlator.client.begin import Begin
from correlator.client.connection import Connection
from correlator.client.errors import ClientError
from correlator.client.listener import Listener, latest_state, listen
from correlator.client.newest import Newest, latest
from correlator.client.notice import Notice
from correlator.client.rest import Client, to_table

__all__ = [
    "Begin", "Client", "ClientError", "Connection", "Listener", "Newest", "Notice", "latest",
    "latest_state", "listen", "to_table",
]  # fmt: skip
