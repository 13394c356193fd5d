"""``correlator kafka-users add``: a password that was set is never lost."""

from click.testing import CliRunner

from correlator.errors import ConfigurationError
from correlator.service.cli import correlator
from streams import kafka_users


def test_a_password_is_printed_though_the_rights_cannot_be_given(monkeypatch, tmp_path):
    given = {}

    def set_password(_servers, name, secret):
        given[name] = secret

    monkeypatch.setenv("CORRELATOR_BROKER", "kafka://127.0.0.1:1")
    monkeypatch.setattr(kafka_users, "set_password", set_password)
    no_store = f"sqlite:///{tmp_path}/nowhere/store.sqlite"
    done = CliRunner().invoke(correlator, ["kafka-users", "add", "anna", "--store", no_store])
    assert isinstance(done.exception, ConfigurationError)
    assert done.stdout.strip() == given["anna"]
