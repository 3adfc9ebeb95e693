//! How an authenticator is reached. WebAuthn Level 3, 5.8.4.

/// The values of the specification. A browser may refuse options with any other.
const KNOWN: [&str; 6] = ["ble", "hybrid", "internal", "nfc", "smart-card", "usb"];

/// What is kept of a browser's list: values of the specification, each once, sorted. `cable` is the old name of `hybrid`.
pub fn kept<'a>(sent: impl Iterator<Item = &'a str>, backup_eligible: bool) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = sent
        .map(|name| if name == "cable" { "hybrid" } else { name })
        .filter_map(|name| KNOWN.iter().find(|known| **known == name).copied())
        .collect();
    // A synced passkey that was made on this device is on the person's phone as well.
    if backup_eligible && found == ["internal"] {
        found.push("hybrid");
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W-11: lists as browsers and password managers send them.
    #[test]
    fn any_list_is_taken_and_only_known_values_are_kept() {
        let of = |sent: &[&str], synced| kept(sent.iter().copied(), synced);
        assert_eq!(of(&["usb", "nfc", "usb"], false), ["nfc", "usb"]);
        assert_eq!(of(&["cable", "internal", "quantum"], false), ["hybrid", "internal"]);
        assert_eq!(of(&["internal"], true), ["hybrid", "internal"]);
        assert_eq!(of(&["internal"], false), ["internal"]);
        assert!(of(&[], true).is_empty());
    }
}
