//! HTTP/2 as bytes, for attacks that an HTTP library cannot make.

/// The preface, and a SETTINGS frame without settings that matter.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// This many streams that post the first byte of a webhook, and never the other bytes.
pub(crate) fn half_posts(path: &str, signature: &str, streams: u32) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    // Literals that are not indexed (RFC 7541, 6.2.2), the first two by names of the static table.
    block.push(0x04);
    string(&mut block, path);
    block.push(0x01);
    string(&mut block, "a");
    block.push(0x00);
    string(&mut block, "stripe-signature");
    string(&mut block, signature);
    let mut bytes = PREFACE.to_vec();
    for stream in (0..streams).map(|n| 2 * n + 1) {
        frame(&mut bytes, 1, 0x4, stream, &block);
        frame(&mut bytes, 0, 0, stream, b"{");
    }
    bytes
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    bytes.extend_from_slice(&length[1..]);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}

/// A string of fewer than 127 + 128 bytes, without Huffman's code.
fn string(block: &mut Vec<u8>, text: &str) {
    let length = text.len();
    if length < 127 {
        block.push(u8::try_from(length).expect("a short string"));
    } else {
        block.push(127);
        block.push(u8::try_from(length - 127).expect("a short string"));
    }
    block.extend_from_slice(text.as_bytes());
}
