"""Where messages may not go: anywhere private, unless the configuration allows it, however the address is written."""

from __future__ import annotations

import datetime
import ipaddress
import ssl

import pytest

from receiver import LOCAL
from warden import FREELY, only

ANNOUNCED = '[rules.access_key_rotation]\nmode = "enforce"\n'
HERE = [
    "http://127.0.0.1:{port}",
    "http://127.1:{port}",
    "http://127.8.9.10:{port}",
    "http://2130706433:{port}",
    "http://0x7f000001:{port}",
    "http://0177.0.0.1:{port}",
    "http://0.0.0.0:{port}",
    "http://0:{port}",
    "http://localhost:{port}",
    "http://LOCALHOST:{port}",
    "http://[::1]:{port}",
    "http://[::]:{port}",
    "http://[::ffff:127.0.0.1]:{port}",
    "http://[::ffff:7f00:1]:{port}",
    "http://[::127.0.0.1]:{port}",
    "http://[64:ff9b::127.0.0.1]:{port}",
    "http://[2002:7f00:1::]:{port}",
]
ELSEWHERE = [
    "http://169.254.170.2/v2/credentials",
    "http://169.254.169.254/latest/meta-data",
    "http://[::ffff:169.254.170.2]",
    "http://[::ffff:a9fe:aa02]",
    "http://[64:ff9b::a9fe:aa02]",
    "http://[fd00:ec2::254]",
    "http://2852039166",
    "http://10.0.0.1",
    "http://172.16.0.1",
    "http://172.31.255.254",
    "http://192.168.1.1",
    "http://100.64.0.1",
    "http://198.18.0.1",
    "http://224.0.0.1",
    "http://255.255.255.255",
    "http://[fe80::1]",
    "http://[fc00::1]",
    "http://[ff02::1]",
    "https://169.254.170.2",
    "https://[::1]:{port}",
]
UNFIT = [
    "http://user:pass@hooks.example.com",
    "https://token@hooks.example.com",
    "file:///etc/passwd",
    "ftp://hooks.example.com",
    "gopher://127.0.0.1:{port}",
    "unix:///var/run/docker.sock",
    "hooks.example.com",
    "http://",
    "http:///path",
]


def channels(warden, urls: list[str], token: str, **settings: str) -> str:
    parts = []
    for number, url in enumerate(urls):
        reference = warden.secret(f"URL_{number}", f"{url}/hooks/{token}")
        parts.append(f'[[notifications.channels]]\nname = "channel-{number:02}"\nkind = "slack"\nurl = "{reference}"\n')
    return "".join(parts)


def judged(warden, *arguments: str) -> dict[int, str]:
    """What `doctor` says of each channel, by number."""
    ended = warden.run("doctor", *arguments, code=1)
    lines = [line for line in ended.out.splitlines() if " channel channel-" in line]
    return {int(line.split("channel-")[1][:2]): line for line in lines}


@pytest.mark.parametrize("allowed", ["", 'allow_networks = ["10.200.0.0/16", "fd12::/16"]\n'], ids=["none", "others"])
@pytest.mark.parametrize("send", [[], ["--send"]], ids=["check", "send"])
def test_private_addresses_are_refused_however_they_are_written(account, warden, receiver, allowed, send):
    trap = receiver("slack")
    urls = [url.format(port=trap.port) for url in HERE + ELSEWHERE]
    warden.canaries.add(trap.token)
    warden.configure(f"[notifications]\nallow_http = true\n{allowed}", channels(warden, urls, trap.token))
    lines = judged(warden, *send)
    assert len(lines) == len(urls)
    for number, url in enumerate(urls):
        assert lines[number].startswith("✗"), url
        assert "may not go" in lines[number], (url, lines[number])
    assert trap.posts == []


def test_urls_that_are_no_webhooks_are_refused(account, warden, receiver):
    trap = receiver("slack")
    warden.canaries.add(trap.token)
    urls = [url.format(port=trap.port) for url in UNFIT]
    warden.configure(f"[notifications]\n{LOCAL}", channels(warden, urls, trap.token))
    lines = judged(warden, "--send")
    assert len(lines) == len(urls) and all(line.startswith("✗") for line in lines.values()), lines
    assert trap.posts == []


def test_http_is_refused_unless_allowed(account, warden, receiver):
    trap = receiver("slack")
    warden.canaries.add(trap.token)
    warden.configure('[notifications]\nallow_networks = ["127.0.0.0/8"]\n', channels(warden, [trap.url], trap.token))
    assert "http" in judged(warden, "--send")[0]
    assert trap.posts == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_a_message_to_a_private_address_is_not_sent_and_no_notice(account, warden, receiver, host):
    trap = receiver()
    account.user("alice")
    key = account.key("alice", 200, used=1)
    channel = warden.channel("desk", trap)
    warden.secret("URL_OF_DESK", trap.url.replace("127.0.0.1", host))
    heads = '[notifications]\ndefault_channel = "desk"\nallow_http = true\n'
    warden.configure(FREELY, only("access_key_rotation"), ANNOUNCED, heads, channel)
    ended = warden.once(code=0)
    assert "may not go" in ended.err
    warden.let_days_pass(30)
    warden.once(code=0)
    assert key.status == "Active"
    assert trap.posts == []


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    signed = builder.sign(key, hashes.SHA256())
    folder = tmp_path / "tls"
    folder.mkdir()
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    return folder


@pytest.fixture
def desk(account, warden, receiver, certificate):
    """A channel that speaks https, and something to say to it."""
    desk = receiver()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    desk.speak_tls(context)
    account.user("alice")
    account.key("alice", 200, used=1)
    heads = '[notifications]\ndefault_channel = "desk"\nallow_networks = ["127.0.0.0/8"]\n'
    warden.configure(FREELY, only("access_key_rotation"), ANNOUNCED, heads, warden.channel("desk", desk))
    return desk


@pytest.mark.parametrize("trusted", [True, False])
def test_https_is_taken_from_whom_the_system_trusts(warden, desk, certificate, trusted):
    warden.once(code=0, **({"SSL_CERT_FILE": str(certificate / "cert.pem")} if trusted else {}))
    assert len(desk.posts) == (1 if trusted else 0)


def test_a_proxy_of_the_environment_is_not_asked(warden, desk, certificate, receiver):
    """It would resolve names behind the guard's back."""
    proxy = receiver()
    address = f"http://127.0.0.1:{proxy.port}"
    warden.once(code=0, SSL_CERT_FILE=str(certificate / "cert.pem"), HTTPS_PROXY=address, https_proxy=address)
    assert (len(desk.posts), proxy.posts) == (1, [])
