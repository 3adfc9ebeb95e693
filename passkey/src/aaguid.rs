//! What kind of authenticator made a passkey, for people. The list is data of ours, `aaguids.txt`, with its date. A name decides
//! nothing: without attestation anybody may claim any AAGUID.

const LIST: &str = include_str!("aaguids.txt");

/// The name of a kind of authenticator. None: zero, or one that is not in the list.
pub fn name(aaguid: &[u8; 16]) -> Option<&'static str> {
    let text = text(aaguid);
    LIST.lines().filter(|line| !line.starts_with('#')).find_map(|line| line.strip_prefix(&text)?.strip_prefix(' '))
}

/// As makers write it: 8-4-4-4-12 digits.
pub fn text(aaguid: &[u8; 16]) -> String {
    let hex = data_encoding::HEXLOWER.encode(aaguid);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Reads what [`text`] writes, in either case.
pub fn parse(text: &str) -> Option<[u8; 16]> {
    let shaped = text.len() == 36 && [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-');
    let hex: String = text.chars().filter(|letter| *letter != '-').collect();
    if !shaped || hex.len() != 32 {
        return None;
    }
    data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_line_of_the_list_is_found() {
        let lines: Vec<&str> = LIST.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.len() > 25);
        for line in lines {
            let (id, wanted) = line.split_once(' ').unwrap();
            assert_eq!(text(&parse(id).unwrap()), id, "{line}");
            assert_eq!(name(&parse(id).unwrap()), Some(wanted), "{line}");
        }
        assert_eq!(name(&[0; 16]), None);
        for bad in ["", "ea9b8d66", "ea9b8d664d011d213ce4b6b48cb575d4", "ga9b8d66-4d01-1d21-3ce4-b6b48cb575d4"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
