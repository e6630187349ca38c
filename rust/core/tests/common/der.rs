//! As much DER as it takes to hand the numbers of a vector to our readers of keys and signatures.

use strongroom_core::suite::Curve;

/// The components of an RSA private key in the order of RFC 8017 A.1.2, from the modulus on.
pub(crate) fn rsa_pkcs8(components: [&[u8]; 8]) -> Vec<u8> {
    let numbers: Vec<_> = components.iter().map(|number| integer(number)).collect();
    let key = tagged(SEQUENCE, &[&integer(&[0])[..], &numbers.concat()]);
    let algorithm = tagged(SEQUENCE, &[&RSA_ENCRYPTION[..], &tagged(NULL, &[])]);
    tagged(SEQUENCE, &[&integer(&[0])[..], &algorithm, &tagged(OCTET_STRING, &[&key])])
}

/// An EC private key (RFC 5915 in PKCS#8) from its scalar.
pub(crate) fn ec_pkcs8(curve: Curve, scalar: &[u8]) -> Vec<u8> {
    let scalar = padded(scalar, curve.coordinate_len());
    let key = tagged(SEQUENCE, &[&integer(&[1])[..], &tagged(OCTET_STRING, &[&scalar])]);
    let algorithm = tagged(SEQUENCE, &[&EC_PUBLIC_KEY[..], name(curve)]);
    tagged(SEQUENCE, &[&integer(&[0])[..], &algorithm, &tagged(OCTET_STRING, &[&key])])
}

/// An uncompressed point.
pub(crate) fn point(curve: Curve, x: &[u8], y: &[u8]) -> Vec<u8> {
    let len = curve.coordinate_len();
    [&[4][..], &padded(x, len), &padded(y, len)].concat()
}

/// An ECDSA signature.
pub(crate) fn signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    tagged(SEQUENCE, &[&integer(r)[..], &integer(s)])
}

/// A number in exactly so many bytes.
pub(crate) fn padded(number: &[u8], len: usize) -> Vec<u8> {
    let number = significant(number);
    [&vec![0; len - number.len()][..], number].concat()
}

fn integer(number: &[u8]) -> Vec<u8> {
    let number = significant(number);
    let positive: &[u8] = if number.first().is_none_or(|&byte| byte >= 0x80) { &[0] } else { &[] };
    tagged(INTEGER, &[positive, number])
}

fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}

fn tagged(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    let len = contents.len();
    let header = match u8::try_from(len) {
        Ok(len) if len < 0x80 => vec![tag, len],
        Ok(len) => vec![tag, 0x81, len],
        Err(_) => [&[tag, 0x82][..], &u16::try_from(len).unwrap().to_be_bytes()].concat(),
    };
    [header, contents].concat()
}

fn name(curve: Curve) -> &'static [u8] {
    match curve {
        Curve::P256 => &[6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7],
        Curve::P384 => &[6, 5, 0x2B, 0x81, 4, 0, 0x22],
        Curve::P521 => &[6, 5, 0x2B, 0x81, 4, 0, 0x23],
    }
}

const INTEGER: u8 = 2;
const OCTET_STRING: u8 = 4;
const NULL: u8 = 5;
const SEQUENCE: u8 = 0x30;
const RSA_ENCRYPTION: [u8; 11] = [6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1];
const EC_PUBLIC_KEY: [u8; 9] = [6, 7, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 2, 1];
