"""The correlator's topics as an AlertStream of tom-alertstreams."""

from __future__ import annotations

import logging
import time
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message
from django.db import InterfaceError, OperationalError, close_old_connections
from tom_alertstreams.alertstreams.alertstream import AlertStream

logger = logging.getLogger(__name__)

POLL_S = 1.0
RETRY_S = 5.0
"""How long to wait for a database that is away [s]."""


class CorrelatorAlertStream(AlertStream):
    """Hands each notice of the topics to the handler of its topic, at least once.

    ``OPTIONS`` has ``KAFKA``, the settings of librdkafka (``bootstrap.servers``, ``group.id``, and
    what a cluster asks of its readers), and ``TOPIC_HANDLERS``, the dotted name of a function for
    each topic; ``tom_correlator.handlers.save_target`` keeps targets up to date.
    """

    required_keys = ["KAFKA", "TOPIC_HANDLERS"]
    allowed_keys = ["KAFKA", "TOPIC_HANDLERS"]

    def listen(self) -> None:
        """Read until the process ends; what was handled is committed."""
        consumer = self.subscribed()
        try:
            while True:
                self.handle_next(consumer, POLL_S)
        finally:
            consumer.close()

    def subscribed(self) -> Consumer:
        """A consumer of the topics, from their beginning if its group is new."""
        consumer = Consumer(
            {"auto.offset.reset": "earliest", **self.kafka, "enable.auto.commit": False}
        )
        consumer.subscribe(list(self.topic_handlers))
        return consumer

    def handle_next(self, consumer: Consumer, timeout_s: float) -> bool:
        """Handle the next notice, if one comes in time [s]; whether one did."""
        message = consumer.poll(timeout_s)
        if message is None:
            return False
        if message.error() is not None:
            logger.error("correlator: %s", message.error())
            return False
        self._handle(message)
        try:
            consumer.commit(message=message, asynchronous=False)
        except KafkaException as error:
            logger.warning("correlator: not committed, so it will come again: %s", error)
        return True

    def _handle(self, message: Message) -> None:
        """Call the handler until the database takes it; after any other failure go on."""
        handler: Any = self.alert_handler[message.topic()]
        while True:
            close_old_connections()
            try:
                return handler(message)
            except (OperationalError, InterfaceError) as error:
                logger.error("correlator: the database is away, trying again: %s", error)
                time.sleep(RETRY_S)
            except Exception:
                place = f"{message.topic()}/{message.partition()}/{message.offset()}"
                logger.exception("correlator: %s is passed over: its handler failed", place)
                return None
