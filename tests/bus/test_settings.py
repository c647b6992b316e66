"""Which server is used, and as whom."""

import json
from pathlib import Path
from typing import Any

import pytest

from bus.errors import ConfigurationError
from bus.settings import ConnectionSettings, resolve


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "nats" / "context").mkdir(parents=True)
    return tmp_path


def context(home: Path, name: str, **fields: Any) -> Path:
    path = home / "nats" / "context" / f"{name}.json"
    path.write_text(json.dumps(fields))
    return path


def select(home: Path, name: str) -> None:
    (home / "nats" / "context.txt").write_text(f"{name}\n")


def file(home: Path, name: str) -> Path:
    path = home / name
    path.write_text("content")
    return path


def use(home: Path, server: str | None = None, named: str | None = None, **environ: str) -> ConnectionSettings:
    settings = resolve(environ, server=server, context=named, config_home=home)
    assert settings is not None
    return settings


class TestOrder:
    def test_nothing_named_is_none(self, home: Path) -> None:
        assert resolve({"PATH": "/bin"}, server=None, context=None, config_home=home) is None

    def test_credentials_alone_name_no_server(self, home: Path) -> None:
        assert resolve({"NATS_USER": "u", "NATS_PASSWORD": "p"}, server=None, context=None, config_home=home) is None

    def test_option_then_context_then_environment_then_selected(self, home: Path) -> None:
        context(home, "named", url="nats://named")
        context(home, "selected", url="nats://selected")
        select(home, "selected")
        assert use(home, "nats://option", "named", NATS_URL="nats://environment").servers == ("nats://option",)
        assert use(home, None, "named", NATS_URL="nats://environment").servers == ("nats://named",)
        assert use(home, NATS_URL="nats://environment").servers == ("nats://environment",)
        assert use(home).servers == ("nats://selected",)

    def test_nats_context_goes_before_the_selected_one(self, home: Path) -> None:
        context(home, "named", url="nats://named")
        context(home, "selected", url="nats://selected")
        select(home, "selected")
        assert use(home, NATS_CONTEXT="named").servers == ("nats://named",)

    def test_a_context_without_a_url_means_the_local_server(self, home: Path) -> None:
        context(home, "empty")
        assert use(home, None, "empty").servers == ("nats://127.0.0.1:4222",)

    def test_the_source_is_told(self, home: Path) -> None:
        path = context(home, "selected", url="nats://selected")
        select(home, "selected")
        assert use(home, NATS_URL="nats://environment").source == "NATS_URL"
        assert use(home, "a").source == "--server"
        assert str(path) in use(home).source

    def test_a_context_may_be_a_file(self, home: Path) -> None:
        path = home / "mine.json"
        path.write_text('{"url": "nats://from-file"}')
        assert use(home, None, str(path)).servers == ("nats://from-file",)

    def test_an_empty_variable_is_unset(self, home: Path) -> None:
        assert resolve({"NATS_URL": ""}, server=None, context=None, config_home=home) is None


class TestCredentials:
    def test_a_context_completes_the_environment(self, home: Path) -> None:
        creds = file(home, "user.creds")
        context(home, "selected", url="nats://selected", creds=str(creds), inbox_prefix="_INBOX_me", tls_first=True)
        select(home, "selected")
        settings = use(home, NATS_URL="nats://environment")
        assert (settings.servers, settings.creds, settings.inbox_prefix, settings.tls_first) == (
            ("nats://environment",),
            creds,
            "_INBOX_me",
            True,
        )

    def test_two_places_are_never_mixed(self, home: Path) -> None:
        context(home, "named", url="nats://named", nkey=str(file(home, "seed.nk")))
        settings = use(home, None, "named", NATS_USER="u", NATS_PASSWORD="p")
        assert (settings.nkey, settings.user, settings.password) == (home / "seed.nk", None, None)

    def test_a_url_with_credentials_keeps_others_out(self, home: Path) -> None:
        settings = use(home, "nats://u:p@host", NATS_TOKEN="t")
        assert (settings.servers, settings.token) == (("nats://u:p@host",), None)

    def test_a_user_without_a_password_is_a_token(self, home: Path) -> None:
        settings = use(home, NATS_URL="nats://a", NATS_USER="secret")
        assert (settings.user, settings.token) == (None, "secret")

    @pytest.mark.parametrize(("variable", "field"), [("NATS_CREDS", "creds"), ("NATS_NKEY", "nkey"), ("NATS_CA", "ca")])
    def test_files_of_the_environment(self, home: Path, variable: str, field: str) -> None:
        path = file(home, "some.file")
        assert getattr(use(home, NATS_URL="nats://a", **{variable: str(path)}), field) == path

    def test_a_client_certificate_takes_two_files(self, home: Path) -> None:
        certificate, key = file(home, "cert.pem"), file(home, "key.pem")
        settings = use(home, NATS_URL="nats://a", NATS_CERT=str(certificate), NATS_KEY=str(key))
        assert (settings.cert, settings.key) == (certificate, key)
        with pytest.raises(ConfigurationError, match=r"NATS_CERT.*NATS_KEY is missing"):
            use(home, NATS_URL="nats://a", NATS_CERT=str(certificate))

    def test_a_tilde_is_the_home_directory(self, home: Path) -> None:
        path = file(home, "seed.nk")
        context(home, "named", nkey="~/seed.nk")
        assert use(home, None, "named", HOME=str(home)).nkey == path

    @pytest.mark.parametrize(
        "secret",
        [{"NATS_TOKEN": "hunter2"}, {"NATS_USER": "u", "NATS_PASSWORD": "hunter2"}, {"NATS_URL": "nats://u:hunter2@a"}],
    )
    def test_no_secret_is_shown(self, home: Path, secret: dict[str, str]) -> None:
        settings = use(home, **{"NATS_URL": "nats://a", **secret})
        assert "hunter2" not in repr(settings) + settings.where + settings.identity


class TestServers:
    def test_several_and_without_a_scheme(self, home: Path) -> None:
        assert use(home, "a:4223, tls://b").servers == ("nats://a:4223", "tls://b")

    @pytest.mark.parametrize(
        "server", ["http://a", "ws://a", "nats://", "nats://a:port", "nats://a:99999", "a,,b", "nats://u:hunter2@a:x"]
    )
    def test_no_server_url(self, home: Path, server: str) -> None:
        with pytest.raises(ConfigurationError, match=r"--server: .* is no server URL") as caught:
            use(home, server)
        assert "hunter2" not in caught.value.message


class TestMistakes:
    def test_an_unknown_context(self, home: Path) -> None:
        with pytest.raises(
            ConfigurationError, match=r"--context: there is no context 'x': .*nats/context/x\.json does not exist"
        ):
            use(home, None, "x")

    def test_a_selected_context_that_is_gone(self, home: Path) -> None:
        select(home, "gone")
        with pytest.raises(ConfigurationError, match=r"context\.txt: there is no context 'gone'"):
            resolve({}, server=None, context=None, config_home=home)

    def test_a_name_that_is_a_path(self, home: Path) -> None:
        with pytest.raises(ConfigurationError, match="is no context name"):
            use(home, NATS_CONTEXT="../../etc/passwd")

    @pytest.mark.parametrize(
        ("text", "what"),
        [("{", "malformed"), ('{"url": 4222}', r"\$\.url"), ("[]", "malformed"), ('"\xff"', "malformed")],
    )
    def test_a_malformed_context(self, home: Path, text: str, what: str) -> None:
        path = context(home, "bad")
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(ConfigurationError, match=what) as caught:
            use(home, None, "bad")
        assert str(path) in caught.value.message

    @pytest.mark.parametrize("field", ["nsc", "user_jwt", "socks_proxy", "jetstream_domain", "jetstream_api_prefix"])
    def test_what_cannot_be_honoured_is_refused(self, home: Path, field: str) -> None:
        context(home, "special", url="nats://a", **{field: "x"})
        with pytest.raises(ConfigurationError, match=f"`{field}` is not supported"):
            use(home, None, "special")

    def test_fields_of_other_tools_are_ignored(self, home: Path) -> None:
        context(home, "colours", url="nats://a", color_scheme="red", description="mine")
        assert use(home, None, "colours").servers == ("nats://a",)

    def test_a_missing_file_is_told_with_its_field(self, home: Path) -> None:
        context(home, "named", creds="/no/such.creds")
        with pytest.raises(
            ConfigurationError, match=r"context 'named', .*field `creds`: the file /no/such.creds cannot be read"
        ):
            use(home, None, "named")
        with pytest.raises(ConfigurationError, match=r"NATS_NKEY: the file /no/such.nk cannot be read"):
            use(home, NATS_URL="nats://a", NATS_NKEY="/no/such.nk")

    def test_a_password_needs_a_user(self, home: Path) -> None:
        with pytest.raises(ConfigurationError, match="NATS_PASSWORD: there is a password but no user"):
            use(home, NATS_URL="nats://a", NATS_PASSWORD="p")
