"""Keys as Python sees them: opaque, closable, never pickled, and good for nothing once a bit of them has changed."""

import copy
import os
import pickle
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builds import HAS_ARGON2ID
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from strongroom.crypto import (
    AesWrappingKey,
    DataKey,
    EcdhWrappingKey,
    Edk,
    EncryptionMaterials,
    Kdf,
    MacKey,
    RootKey,
    RsaWrappingKey,
    Secret,
    SigningKey,
)
from strongroom.errors import AuthenticationFailed, KeyUnavailable, LimitExceeded, Misuse, TargetExists

CANARY = b"canary-0123456789-of-32-bytes-ab"
CONTEXT = {"tenant": "acme"}
AAD = b"strongroom/test"
SALT = bytes(range(16))
HKDF = Kdf.hkdf_sha256(SALT)
CHEAP_ARGON2 = Kdf.argon2id(SALT, memory_kib=64, passes=1, lanes=1)


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def rsa_key() -> RsaWrappingKey:
    return RsaWrappingKey(
        private_pem=pem(rsa.generate_private_key(65537, 2048)), public_pem=None, padding="oaep-sha256"
    )


def ecdh_edk(recipient: ec.EllipticCurvePublicKey, data_key: bytes) -> Edk:
    """What a sender of another implementation writes, under an empty encryption context."""
    sender, salt = ec.generate_private_key(recipient.curve), os.urandom(32)
    points = [key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint) for key in (recipient, sender.public_key())]
    curve = {"secp256r1": b"p256", "secp384r1": b"p384", "secp521r1": b"p521"}[recipient.curve.name]
    fixed = b"ecdh-key-derivation\0" + curve + b"\0HMAC_SHA384\0" + points[1] + points[0] + b"\0\1\0"
    info = fixed + b"\0" + salt + (8 * 64).to_bytes(4)
    kdf = KBKDFHMAC(
        SHA384(), Mode.CounterMode, 64, 4, None, CounterLocation.BeforeFixed, label=None, context=None, fixed=info
    )
    derived = kdf.derive(sender.exchange(ec.ECDH(), recipient))
    provider_info = b"\1" + b"".join(len(point).to_bytes(4) + point for point in points)
    return Edk(
        "raw-ecdh", provider_info, salt + derived[:32] + AESGCM(derived[32:]).encrypt(bytes(12), data_key, fixed)
    )


def materials() -> EncryptionMaterials:
    edk = Edk("provider", b"info", b"ciphertext")
    return EncryptionMaterials(0x0478, DataKey.from_caller(CANARY), [edk], CONTEXT, frame_length=4096)


OPAQUE: dict[str, Callable[[], object]] = {
    "Secret": lambda: Secret.from_caller(CANARY),
    "DataKey": lambda: DataKey.from_caller(CANARY),
    "AesWrappingKey": lambda: AesWrappingKey(CANARY),
    "RsaWrappingKey": rsa_key,
    "EcdhWrappingKey": lambda: EcdhWrappingKey(
        private_pem=pem(ec.generate_private_key(ec.SECP256R1())), public_pem=None
    ),
    "RootKey": RootKey.generate,
    "LogKey": lambda: MacKey.generate().log_key(b"log"),
    "MacKey": MacKey.generate,
    "SigningKey": lambda: SigningKey.for_suite(0x0578),
    "EncryptionMaterials": materials,
}


@pytest.fixture(params=OPAQUE, name="opaque")
def an_opaque_object(request: pytest.FixtureRequest) -> object:
    return OPAQUE[request.param]()


def test_no_secret_in_repr_or_str(opaque: object) -> None:
    for text in (repr(opaque), str(opaque), f"{opaque}", f"{opaque!a}"):
        assert type(opaque).__name__ in text
        assert "canary" not in text
        assert CANARY.hex() not in text
        assert len(text) < 100


def test_not_pickled_and_not_copied(opaque: object) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(opaque, protocol)
    for duplicate in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            duplicate(opaque)


def test_frozen_and_without_bytes(opaque: object) -> None:
    with pytest.raises((AttributeError, TypeError)):
        opaque.key = b"mine"  # type: ignore[attr-defined]
    assert not hasattr(opaque, "__dict__")
    with pytest.raises(TypeError):
        bytes(opaque)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        memoryview(opaque)  # type: ignore[arg-type]


# --- closing -----------------------------------------------------------------------------------------------------------


def test_a_closed_secret_is_gone() -> None:
    secret, other = Secret.random(), Secret.random()
    root = RootKey.generate()
    sealed = root.seal(secret, HKDF, AAD)
    secret.close()
    secret.close()
    uses: list[Callable[[], object]] = [
        secret.recovery_words,
        lambda: len(secret),
        lambda: secret.matches(other),
        lambda: other.matches(secret),
        lambda: root.seal(secret, HKDF, AAD),
        lambda: RootKey.unseal(sealed, secret, HKDF, AAD),
    ]
    for use in uses:
        with pytest.raises(KeyUnavailable):
            use()
    assert repr(secret) == "<Secret>"


def test_a_closed_secret_writes_no_file(tmp_path: Path) -> None:
    secret = Secret.random()
    secret.close()
    with pytest.raises(KeyUnavailable):
        secret.write_file(tmp_path / "key")
    assert list(tmp_path.iterdir()) == []


def test_closed_keys_are_gone() -> None:
    root, kek, mac = RootKey.generate(), AesWrappingKey.generate(), MacKey.generate()
    data_key = DataKey.generate()
    edk = kek.wrap(data_key, "ns", "name", CONTEXT)
    wrapped_kek, wrapped_mac = root.wrap_kek(kek, AAD), root.wrap_mac_key(mac, AAD)
    signed = mac.sign(b"row")

    kek.close()
    mac.close()
    uses: list[Callable[[], object]] = [
        lambda: kek.wrap(data_key, "ns", "name", CONTEXT),
        lambda: kek.unwrap(edk, "ns", "name", CONTEXT),
        lambda: root.wrap_kek(kek, AAD),
        lambda: mac.sign(b"row"),
        lambda: mac.verify(b"row", signed),
        lambda: root.wrap_mac_key(mac, AAD),
    ]
    for use in uses:
        with pytest.raises(KeyUnavailable):
            use()
    # what was wrapped is not lost with the object
    assert root.unwrap_kek(wrapped_kek, AAD).unwrap(edk, "ns", "name", CONTEXT) == data_key
    root.unwrap_mac_key(wrapped_mac, AAD).verify(b"row", signed)

    root.close()
    uses = [lambda: root.unwrap_kek(wrapped_kek, AAD), lambda: root.unwrap_mac_key(wrapped_mac, AAD)]
    for use in uses:
        with pytest.raises(KeyUnavailable):
            use()


FORK = """
import os, sys
from strongroom.crypto import (
    AesWrappingKey, DataKey, EcdhWrappingKey, Edk, Kdf, MacKey, RootKey, RsaWrappingKey, Secret,
)
from strongroom.errors import KeyUnavailable
secret, root, kek, mac, dek = Secret.random(), RootKey.generate(), AesWrappingKey.generate(), MacKey.generate(), DataKey.generate()
edk = kek.wrap(dek, "ns", "name", {})
rsa = RsaWrappingKey(private_pem=sys.argv[1].encode(), public_pem=None, padding="oaep-sha256")
rsa_edk = rsa.wrap(dek, "ns", "name")
ecdh = EcdhWrappingKey(private_pem=sys.argv[2].encode(), public_pem=None)
agreed = Edk("raw-ecdh", bytes.fromhex(sys.argv[3]), bytes.fromhex(sys.argv[4]))
uses = [
    lambda: secret.recovery_words(),
    lambda: root.seal(secret, Kdf.hkdf_sha256(b"salt"), b""),
    lambda: kek.wrap(DataKey.generate(), "ns", "name", {}),
    lambda: kek.unwrap(edk, "ns", "name", {}),
    lambda: AesWrappingKey.generate().wrap(dek, "ns", "name", {}),
    lambda: mac.sign(b"row"),
    lambda: dek == dek,
    lambda: rsa.unwrap(rsa_edk, "ns", "name"),
    lambda: ecdh.unwrap(agreed, {}),
]
def unavailable():
    for use in uses:
        try:
            use()
        except KeyUnavailable:
            yield 1
child = os.fork()
if child == 0:
    os._exit(sum(unavailable()))
print(len(uses), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), sum(unavailable()))
"""


def test_keys_stay_behind_in_a_fork() -> None:
    agreeing = ec.generate_private_key(ec.SECP256R1())
    edk = ecdh_edk(agreeing.public_key(), CANARY)
    documents = [pem(key).decode() for key in (rsa.generate_private_key(65537, 2048), agreeing)]
    arguments = [*documents, edk.provider_info.hex(), edk.ciphertext.hex()]
    ran = subprocess.run([sys.executable, "-c", FORK, *arguments], capture_output=True, check=True, timeout=60)
    uses, refused_in_child, refused_in_parent = map(int, ran.stdout.split())
    assert (refused_in_child, refused_in_parent) == (uses, 0)


# --- equality ----------------------------------------------------------------------------------------------------------


def test_data_keys_are_equal_by_their_bytes() -> None:
    assert DataKey.from_caller(CANARY) == DataKey.from_caller(bytearray(CANARY))
    assert DataKey.from_caller(CANARY) != DataKey.from_caller(CANARY[:-1] + b"x")
    assert DataKey.from_caller(CANARY) != DataKey.from_caller(CANARY[:16])
    assert DataKey.generate() != DataKey.generate()
    assert DataKey.from_caller(CANARY) != object()
    assert len(DataKey.generate(16)) == 16


def test_data_keys_are_no_dictionary_keys() -> None:
    with pytest.raises(TypeError):
        hash(DataKey.generate())


@pytest.mark.parametrize("make", [DataKey.from_caller, Secret.from_caller, AesWrappingKey])
def test_an_empty_key_is_misuse(make: Callable[[bytes], object]) -> None:
    with pytest.raises(Misuse):
        make(b"")


@pytest.mark.parametrize("make", [DataKey.from_caller, Secret.from_caller, AesWrappingKey])
def test_a_key_longer_than_a_secret_can_be_is_beyond_the_limit(make: Callable[[bytes], object]) -> None:
    with pytest.raises(LimitExceeded):
        make(bytes(1 << 17))


def test_generated_data_keys_have_a_length() -> None:
    for length, error in ((0, Misuse), (1 << 17, LimitExceeded)):
        with pytest.raises(error):
            DataKey.generate(length)


@pytest.mark.parametrize("length", [1, 15, 17, 31, 33, 64])
def test_aes_keys_have_three_lengths(length: int) -> None:
    with pytest.raises(Misuse, match=f"not {length}"):
        AesWrappingKey(b"k" * length)


# --- the wrong secret, the wrong place ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kdf", [HKDF, pytest.param(CHEAP_ARGON2, marks=pytest.mark.argon2id)], ids=["hkdf", "argon2id"]
)
def test_a_sealed_root_opens_with_its_secret_only(kdf: Kdf) -> None:
    secret, root = Secret.random(), RootKey.generate()
    sealed, wrapped = root.seal(secret, kdf, AAD), root.wrap_kek(AesWrappingKey.generate(), AAD)
    RootKey.unseal(sealed, secret, kdf, AAD).unwrap_kek(wrapped, AAD)
    for other_secret, other_kdf, other_aad in (
        (Secret.random(), kdf, AAD),
        (secret, Kdf.hkdf_sha256(SALT[::-1]), AAD),
        (secret, Kdf.argon2id(SALT, memory_kib=128, passes=1, lanes=1) if HAS_ARGON2ID else Kdf.hkdf_sha256(AAD), AAD),
        (secret, kdf, AAD + b"!"),
    ):
        with pytest.raises(AuthenticationFailed):
            RootKey.unseal(sealed, other_secret, other_kdf, other_aad)


def test_wrapped_keys_open_under_their_root_and_purpose_only() -> None:
    root, other = RootKey.generate(), RootKey.generate()
    kek, mac = root.wrap_kek(AesWrappingKey.generate(), AAD), root.wrap_mac_key(MacKey.generate(), AAD)
    refused: list[Callable[[], object]] = [
        lambda: other.unwrap_kek(kek, AAD),
        lambda: other.unwrap_mac_key(mac, AAD),
        lambda: root.unwrap_kek(kek, b""),
        lambda: root.unwrap_mac_key(mac, b""),
        lambda: root.unwrap_kek(mac, AAD),
        lambda: root.unwrap_mac_key(kek, AAD),
    ]
    for unwrap in refused:
        with pytest.raises(AuthenticationFailed):
            unwrap()


def test_a_mac_is_of_its_key_and_message() -> None:
    key = MacKey.generate()
    mac = key.sign(b"row")
    key.verify(b"row", mac)
    with pytest.raises(AuthenticationFailed):
        MacKey.generate().verify(b"row", mac)
    with pytest.raises(AuthenticationFailed):
        key.verify(b"rov", mac)
    for altered in altered_copies(mac):
        with pytest.raises(AuthenticationFailed):
            key.verify(b"row", altered)


def test_an_edk_opens_under_its_key_name_and_context_only() -> None:
    kek, data_key = AesWrappingKey.generate(), DataKey.generate()
    edk = kek.wrap(data_key, "ns", "name", CONTEXT)
    assert kek.unwrap(edk, "ns", "name", CONTEXT) == data_key
    for key, namespace, name, context in (
        (AesWrappingKey.generate(), "ns", "name", CONTEXT),
        (kek, "ms", "name", CONTEXT),
        (kek, "ns", "nam", CONTEXT),
        (kek, "ns", "name", {}),
        (kek, "ns", "name", {"tenant": "acme", "extra": "1"}),
        (kek, "ns", "name", {"tenant": "acmf"}),
    ):
        with pytest.raises(AuthenticationFailed):
            key.unwrap(edk, namespace, name, context)


# --- every bit ---------------------------------------------------------------------------------------------------------


def altered_copies(data: bytes) -> Iterator[bytes]:
    """Every bit flipped, every truncation, one byte more."""
    for bit in range(8 * len(data)):
        copied = bytearray(data)
        copied[bit // 8] ^= 1 << bit % 8
        yield bytes(copied)
    for length in range(len(data)):
        yield data[:length]
    yield data + b"\0"


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_an_agreed_edk_of_another_implementation_opens(curve: ec.EllipticCurve) -> None:
    ours = ec.generate_private_key(curve)
    edk = ecdh_edk(ours.public_key(), CANARY)
    key = EcdhWrappingKey(private_pem=pem(ours), public_pem=None)
    assert key.unwrap(edk, {}) == DataKey.from_caller(CANARY)
    stranger = EcdhWrappingKey(private_pem=pem(ec.generate_private_key(curve)), public_pem=None)
    for unwrap in (lambda: key.unwrap(edk, CONTEXT), lambda: stranger.unwrap(edk, {})):
        with pytest.raises(AuthenticationFailed):
            unwrap()


def test_an_altered_sealed_root_is_refused() -> None:
    secret = Secret.random()
    for altered in altered_copies(RootKey.generate().seal(secret, HKDF, AAD)):
        with pytest.raises(AuthenticationFailed):
            RootKey.unseal(altered, secret, HKDF, AAD)


def test_an_altered_wrapped_key_is_refused() -> None:
    root = RootKey.generate()
    for altered in altered_copies(root.wrap_kek(AesWrappingKey.generate(), AAD)):
        with pytest.raises(AuthenticationFailed):
            root.unwrap_kek(altered, AAD)
    for altered in altered_copies(root.wrap_mac_key(MacKey.generate(), AAD)):
        with pytest.raises(AuthenticationFailed):
            root.unwrap_mac_key(altered, AAD)


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_an_altered_edk_is_refused(bits: int) -> None:
    kek = AesWrappingKey(CANARY[: bits // 8])
    edk = kek.wrap(DataKey.generate(), "ns", "name", CONTEXT)
    for altered in altered_copies(edk.ciphertext):
        with pytest.raises(AuthenticationFailed):
            kek.unwrap(Edk("ns", edk.provider_info, altered), "ns", "name", CONTEXT)
    for altered in altered_copies(edk.provider_info):
        with pytest.raises(AuthenticationFailed):
            kek.unwrap(Edk("ns", altered, edk.ciphertext), "ns", "name", CONTEXT)


# --- where secrets come from -------------------------------------------------------------------------------------------


def test_recovery_words_give_the_secret_back() -> None:
    secret = Secret.random()
    words = secret.recovery_words().split()
    assert len(words) == 24
    for written in (" ".join(words), "  ".join(words).upper(), "\n".join(words).title()):
        assert Secret.from_recovery_words(written).matches(secret)


def test_recovery_words_are_bip39() -> None:
    # BIP 39's own vectors
    words = Secret.from_caller(bytes(32)).recovery_words()
    assert words == " ".join(["abandon"] * 23 + ["art"])
    assert Secret.from_recovery_words(" ".join(["zoo"] * 23 + ["vote"])).matches(Secret.from_caller(b"\xff" * 32))


@pytest.mark.parametrize(
    "words",
    [
        " ".join(["abandon"] * 23 + ["zoo"]),  # a wrong checksum word
        " ".join(["abandon"] * 22 + ["art", "abandon"]),  # two words exchanged
        " ".join(["abandon"] * 23 + ["strongroom"]),  # no word of the list
        " ".join(["abandon"] * 23),
        " ".join(["abandon"] * 11 + ["about"]),  # 12 good words
        "",
    ],
)
def test_wrong_recovery_words_are_refused_and_not_repeated(words: str) -> None:
    with pytest.raises(Misuse, match="24 words") as refusal:
        Secret.from_recovery_words(words)
    assert "abandon" not in str(refusal.value)


@pytest.mark.parametrize("length", [5, 16, 31, 33, 64])
def test_only_32_bytes_have_recovery_words(length: int) -> None:
    # 16 bytes would have 12 words, which nothing takes back
    with pytest.raises(Misuse, match="24 words"):
        Secret.from_caller(b"s" * length).recovery_words()


@pytest.mark.parametrize(
    ("content", "strip", "expected"),
    [
        (b"pass phrase\n", True, b"pass phrase"),
        (b"pass phrase\r\n", True, b"pass phrase"),
        (b"pass phrase", True, b"pass phrase"),
        (b"pass phrase\n\n", True, b"pass phrase\n"),
        (b" pass\r", True, b" pass\r"),
        (b"pass phrase\r\n", False, b"pass phrase\r\n"),
        (b"\0\xff\n", False, b"\0\xff\n"),
        (b"p" * 4096, True, b"p" * 4096),
    ],
)
def test_a_secret_from_a_file_or_a_descriptor(tmp_path: Path, content: bytes, strip: bool, expected: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    wanted = Secret.from_caller(expected)
    assert Secret.from_file(path, strip_newline=strip).matches(wanted)
    assert Secret.from_file(str(path), strip_newline=strip).matches(wanted)
    with path.open("rb") as file:
        assert Secret.from_fd(file.fileno(), strip_newline=strip).matches(wanted)
        assert file.read() == b""  # ours to close, and at its end


def test_a_secret_from_a_pipe_written_in_pieces() -> None:
    script = (
        "import sys, time\nfor part in ('pass', ' phrase', '\\n'):\n print(part, end='', flush=True); time.sleep(0.05)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        secret = Secret.from_fd(writer.stdout.fileno(), strip_newline=True)
    assert secret.matches(Secret.from_caller(b"pass phrase"))


@pytest.mark.parametrize(("content", "error"), [(b"", Misuse), (b"\n", Misuse), (b"p" * 4097, LimitExceeded)])
def test_a_secret_that_is_none(tmp_path: Path, content: bytes, error: type[Exception]) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(error):
        Secret.from_file(path, strip_newline=True)


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        Secret.from_file(tmp_path / "absent", strip_newline=True)
    assert missing.value.filename == str(tmp_path / "absent")
    with pytest.raises(IsADirectoryError):
        Secret.from_file(tmp_path, strip_newline=True)
    with pytest.raises(OSError, match="Bad file descriptor"):
        Secret.from_fd(987654, strip_newline=True)


def test_a_written_secret_is_the_owners_alone(tmp_path: Path) -> None:
    secret, path = Secret.random(), tmp_path / "key"
    secret.write_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Secret.from_file(path, strip_newline=False).matches(secret)
    with pytest.raises(TargetExists):
        Secret.random().write_file(path)
    assert Secret.from_file(path, strip_newline=False).matches(secret)


# --- the terminal ------------------------------------------------------------------------------------------------------

ASK = """
import fcntl, sys, termios
from strongroom.crypto import Secret
from strongroom.errors import StrongroomError
fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)
try:
    secret = Secret.from_prompt("Passphrase: ")
except StrongroomError as error:
    print(type(error).__name__)
else:
    print(secret.matches(Secret.from_caller(sys.stdin.buffer.read())))
"""


class Terminal:
    """A pseudo-terminal with a process on it that asks for a passphrase; stdin and stdout are elsewhere."""

    def __init__(self, expected: bytes) -> None:
        self.ours, self.theirs = os.openpty()
        self.expected = expected
        self.process = subprocess.Popen(
            [sys.executable, "-c", ASK, str(self.theirs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[self.theirs],
            start_new_session=True,
        )

    def read_until(self, wanted: bytes) -> bytes:
        seen = b""
        while wanted not in seen:
            seen += os.read(self.ours, 1024)
        return seen

    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.ours)[3] & termios.ECHO)

    def answer(self, line: bytes) -> tuple[str, bytes]:
        """What the process said of the line, and what the terminal showed."""
        shown = self.read_until(b"Passphrase: ")
        assert not self.echoes()
        os.write(self.ours, line)
        said, _ = self.process.communicate(self.expected, timeout=30)
        os.set_blocking(self.ours, False)
        try:
            shown += os.read(self.ours, 1024)
        except BlockingIOError:
            pass
        return said.decode().strip(), shown

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture(name="terminal")
def a_terminal(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    terminal = Terminal("pass phräse".encode())
    yield terminal
    terminal.close()


def test_a_prompt_reads_a_line_without_echo(terminal: Terminal) -> None:
    assert terminal.echoes()
    said, shown = terminal.answer("pass phräse\n".encode())
    assert said == "True"
    assert shown.split() == [b"Passphrase:"]
    assert terminal.echoes(), "left without echo"


def test_an_empty_answer_is_misuse_and_echo_returns(terminal: Terminal) -> None:
    said, _ = terminal.answer(b"\n")
    assert said == "Misuse"
    assert terminal.echoes()


def test_without_a_terminal_there_is_no_prompt() -> None:
    script = (
        "from strongroom.crypto import Secret\ntry:\n Secret.from_prompt('')\nexcept OSError as e: print(e.filename)"
    )
    asked = subprocess.run(
        [sys.executable, "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        start_new_session=True,
        check=True,
    )
    assert asked.stdout.strip() == b"/dev/tty"
