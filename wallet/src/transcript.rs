//! What a wallet signs of the exchange: `SessionTranscript` (ISO 18013-5 9.1.5.1) of the two ways of OpenID4VP 1.0, B.2.6. Each way has
//! its own, so that an answer made for one counts nothing on the other.

use minicbor::Encoder;
use symbolon_oauth::digest::sha256;

/// SHA-256 of the key that the response is encrypted to (RFC 7638). None: it is not encrypted.
pub type Thumbprint<'a> = Option<&'a [u8; 32]>;

/// The way by redirects (B.2.6.1).
pub fn redirect(client_id: &str, nonce: &str, thumbprint: Thumbprint<'_>, response_uri: &str) -> Vec<u8> {
    let mut info = Encoder::new(Vec::new());
    // Writing to memory does not fail, here and below.
    let _ = info.array(4).and_then(|it| it.str(client_id)).and_then(|it| it.str(nonce));
    optional(&mut info, thumbprint);
    let _ = info.str(response_uri);
    handover("OpenID4VPHandover", info)
}

/// The way by the Digital Credentials API (B.2.6.2). The origin has no prefix.
pub fn dc_api(origin: &str, nonce: &str, thumbprint: Thumbprint<'_>) -> Vec<u8> {
    let mut info = Encoder::new(Vec::new());
    let _ = info.array(3).and_then(|it| it.str(origin)).and_then(|it| it.str(nonce));
    optional(&mut info, thumbprint);
    handover("OpenID4VPDCAPIHandover", info)
}

/// The way of ISO 18013-7:2024 and the drafts of OpenID4VP up to 22. It is never accepted; it tells an old wallet from a forgery.
pub fn older(client_id: &str, nonce: &str, response_uri: &str, wallet_nonce: &str) -> Vec<u8> {
    let hashed = |text: &str| {
        let mut pair = Encoder::new(Vec::new());
        let _ = pair.array(2).and_then(|it| it.str(text)).and_then(|it| it.str(wallet_nonce));
        sha256(&pair.into_writer())
    };
    let mut out = Encoder::new(Vec::new());
    let _ = out.array(3).and_then(|it| it.null()).and_then(|it| it.null()).and_then(|it| it.array(3));
    let _ = out.bytes(&hashed(client_id)).and_then(|it| it.bytes(&hashed(response_uri))).and_then(|it| it.str(nonce));
    out.into_writer()
}

fn optional(out: &mut Encoder<Vec<u8>>, thumbprint: Thumbprint<'_>) {
    let _ = match thumbprint {
        Some(digest) => out.bytes(digest),
        None => out.null(),
    };
}

/// `[null, null, [name, SHA-256 of the information]]`.
fn handover(name: &str, info: Encoder<Vec<u8>>) -> Vec<u8> {
    let mut out = Encoder::new(Vec::new());
    let _ = out.array(3).and_then(|it| it.null()).and_then(|it| it.null()).and_then(|it| it.array(2));
    let _ = out.str(name).and_then(|it| it.bytes(&sha256(&info.into_writer())));
    out.into_writer()
}
