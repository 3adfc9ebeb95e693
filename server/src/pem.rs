//! Files in PEM. RFC 7468. Byte order marks, as Windows editors write them, are taken out. With one in front of a boundary, readers would
//! skip the first certificate without a word. Files that were put together have one in their middle.

use rustls_pki_types::pem::{self, PemObject};
use std::path::Path;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The bytes of a file in PEM, without byte order marks.
pub fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path).map(without_marks)
}

/// Everything of this kind in a file. No such part: an empty list.
pub fn all<T: PemObject>(path: &Path) -> Result<Vec<T>, pem::Error> {
    T::pem_slice_iter(&read(path).map_err(pem::Error::Io)?).collect()
}

/// The first of this kind in a file.
pub fn first<T: PemObject>(path: &Path) -> Result<T, pem::Error> {
    T::from_pem_slice(&read(path).map_err(pem::Error::Io)?)
}

/// A file that was put behind another one may begin in the middle of a line.
fn without_marks(mut bytes: Vec<u8>) -> Vec<u8> {
    while let Some(at) = (0..bytes.len()).find(|at| bytes[*at..].starts_with(BYTE_ORDER_MARK)) {
        bytes.splice(at..at + BYTE_ORDER_MARK.len(), *b"\n");
    }
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use rustls_pki_types::CertificateDer;

    #[test]
    fn a_byte_order_mark_hides_no_certificate() {
        let directory = std::env::temp_dir().join(format!("symbolon-pem-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let one = |body: &str| format!("-----BEGIN CERTIFICATE-----\r\n{body}\r\n-----END CERTIFICATE-----\r\n");
        let (first_one, second) = (one("AAAA"), one("AAEC"));
        for text in [
            format!("{first_one}{second}"),
            format!("\u{feff}{first_one}\u{feff}{second}"),
            format!("{}\u{feff}{second}", first_one.trim_end()),
        ] {
            let path = directory.join("two.pem");
            std::fs::write(&path, &text).unwrap();
            let found: Vec<CertificateDer<'static>> = all(&path).unwrap();
            assert_eq!(found.iter().map(|it| it.as_ref()).collect::<Vec<_>>(), [[0, 0, 0], [0, 1, 2]], "{text:?}");
            assert_eq!(first::<CertificateDer<'static>>(&path).unwrap().as_ref(), [0, 0, 0]);
        }
        assert!(matches!(all::<CertificateDer<'static>>(&directory.join("none.pem")), Err(pem::Error::Io(_))));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
