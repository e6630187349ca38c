import pytest
from strongroom.errors import Misuse
from strongroom.providers.pkcs11 import TokenUri

WHOLE = (
    "pkcs11:token=prod;object=myapp%2Fkek?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/myapp/pin"
)


def test_every_attribute_is_read() -> None:
    uri = TokenUri.parse(
        "PKCS11:token=my%20token;serial=12;manufacturer=M;model=N;object=caf%C3%A9;id=%00%ffA;type=secret-key"
        "?module-path=/m.so&pin-source=file:/pin"
    )
    assert (uri.token, uri.serial, uri.manufacturer, uri.model) == ("my token", "12", "M", "N")
    assert (uri.object, uri.id, uri.module_path, uri.pin_source) == ("café", b"\x00\xffA", "/m.so", "file:/pin")


@pytest.mark.parametrize(
    "text", [WHOLE, "pkcs11:token=a;id=%00%3b?module-path=/a%20b%26c", "pkcs11:object=a%3bb%3fc%25"]
)
def test_what_is_written_is_read_back(text: str) -> None:
    uri = TokenUri.parse(text)
    assert TokenUri.parse(str(uri)) == uri


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("token=a", "begins with pkcs11:"),
        ("file:/a", "begins with pkcs11:"),
        ("pkcs11:token=a;token=b", "twice"),
        ("pkcs11:token=a?module-path=/a&module-path=/b", "twice"),
        ("pkcs11:slot-id=1", "no attribute 'slot-id'"),
        ("pkcs11:token=a?module-name=b", "no attribute 'module-name'"),
        ("pkcs11:module-path=/a", "no attribute 'module-path'"),
        ("pkcs11:token=a;x-vendor=1", "no attribute 'x-vendor'"),
        ("pkcs11:token", "no attribute 'token'"),
        ("pkcs11:token=a;", "no attribute ''"),
        ("pkcs11:token=", "empty"),
        ("pkcs11:token=a%0ab", "cannot be shown"),
        ("pkcs11:token=a%ff", "not UTF-8"),
        ("pkcs11:token=a%4", "%-encoding"),
        ("pkcs11:token=a b", "%-encoding"),
        ("pkcs11:token=ä", "%-encoding"),
        ("pkcs11:type=private", "secret key"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, why: str) -> None:
    with pytest.raises(Misuse, match=why):
        TokenUri.parse(text)


def test_a_pin_does_not_stand_in_a_uri_nor_in_the_refusal() -> None:
    with pytest.raises(Misuse, match="pin-source=file:FILE") as caught:
        TokenUri.parse("pkcs11:token=a;object=b?module-path=/m.so&pin-value=7391")
    assert "7391" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("pkcs11:object=a?module-path=/m.so", "no token"),
        ("pkcs11:token=a?module-path=/m.so", "no key"),
        ("pkcs11:token=a;object=b", "no module"),
        ("pkcs11:token=a;object=b?module-path=m.so", "no module"),
    ],
)
def test_a_uri_that_leads_to_no_key_says_what_is_missing(text: str, why: str) -> None:
    with pytest.raises(Misuse, match=why):
        TokenUri.parse(text).check_whole()
