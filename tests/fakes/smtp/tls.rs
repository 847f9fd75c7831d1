//! The TLS of the fake SMTP server: a key and a certificate that it makes for itself.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use rustls::{
    ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};

/// The certificate and key of the server.
pub(super) struct Tls {
    pub(super) config: Arc<ServerConfig>,
    /// The certificate, in PEM.
    pub(super) pem: String,
}

impl Tls {
    /// Makes a key, and a certificate for 127.0.0.1.
    pub(super) fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random);
        let certificate = certificate(&pair.expect("a key"), &random);
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            STANDARD.encode(&certificate)
        );
        let key = PrivatePkcs8KeyDer::from(key.as_ref().to_vec());
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(certificate)], key.into())
            .expect("a certificate");
        Self { config: Arc::new(config), pem }
    }
}

/// A certificate that this key signs itself (RFC 5280), in DER.
fn certificate(key: &EcdsaKeyPair, random: &SystemRandom) -> Vec<u8> {
    const ECDSA_WITH_SHA256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
    const EC_PUBLIC_KEY: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";
    const PRIME256V1: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
    const COMMON_NAME: &[u8] = b"\x06\x03\x55\x04\x03";
    const ALTERNATIVE_NAMES: &[u8] = b"\x06\x03\x55\x1d\x11";
    let algorithm = sequence(&[ECDSA_WITH_SHA256]);
    let name = sequence(&[&tlv(0x31, &sequence(&[COMMON_NAME, &tlv(0x0c, b"fake")]))]);
    let validity = sequence(&[&tlv(0x17, b"200101000000Z"), &tlv(0x18, b"21200101000000Z")]);
    let point = [&[0][..], key.public_key().as_ref()].concat();
    let public_key = sequence(&[&sequence(&[EC_PUBLIC_KEY, PRIME256V1]), &tlv(0x03, &point)]);
    let names = sequence(&[&tlv(0x87, &[127, 0, 0, 1])]);
    let extension = sequence(&[ALTERNATIVE_NAMES, &tlv(0x04, &names)]);
    let content = sequence(&[
        &tlv(0xa0, &tlv(0x02, &[2])),
        &tlv(0x02, &[1]),
        &algorithm,
        &name,
        &validity,
        &name,
        &public_key,
        &tlv(0xa3, &sequence(&[&extension])),
    ]);
    let signature = key.sign(random, &content).expect("a signature");
    let signature = [&[0][..], signature.as_ref()].concat();
    sequence(&[&content, &algorithm, &tlv(0x03, &signature)])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// A value of DER: its tag, its length and its content.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a short value").to_be_bytes();
    let mut der = vec![tag];
    match length {
        [0, short] if short < 0x80 => der.push(short),
        [0, one] => der.extend([0x81, one]),
        long => der.extend([0x82, long[0], long[1]]),
    }
    der.extend_from_slice(content);
    der
}
