//! Browsers inside other apps. Links open no app from most of them, and they forget what the person's own browser knows. A page says so,
//! and nobody is refused. An unknown browser counts as the person's own.

/// What such browsers put into `User-Agent`.
const MARKS: [&str; 14] = [
    "FBAN/",
    "FBAV/",
    "FB_IAB/",
    "Instagram ",
    "Barcelona ",
    "MicroMessenger/",
    "musical_ly",
    "BytedanceWebview",
    "Snapchat/",
    "LinkedInApp",
    "Pinterest/",
    " Line/",
    "KAKAOTALK",
    // Every WebView of Android.
    "; wv)",
];

pub fn is_embedded(user_agent: &str) -> bool {
    MARKS.iter().any(|mark| user_agent.contains(mark))
}

/// A link to the same address that Android opens in the person's own browser. `None`: this browser needs none, or has no such link.
pub fn in_own_browser(user_agent: &str, address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://").filter(|_| is_embedded(user_agent) && user_agent.contains("Android"))?;
    let rules = "action=android.intent.action.VIEW;category=android.intent.category.BROWSABLE";
    (!rest.contains('#')).then(|| format!("intent://{rest}#Intent;scheme={scheme};{rules};end"))
}

/// A phone or a tablet says so; whoever does not counts as a desktop.
pub fn is_handheld(user_agent: &str) -> bool {
    ["Android", "iPhone", "iPad", "Mobile"].iter().any(|mark| user_agent.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// L-13
    #[test]
    fn a_browser_inside_another_app_is_known_and_no_other() {
        let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
        for embedded in [
            format!("{iphone} Mobile/15E148 Instagram 380.0.0.28.85 (iPhone15,3; iOS 18_5; de_DE)"),
            format!("{iphone} Mobile/15E148 [FBAN/FBIOS;FBAV/512.0.0.50.109;FBBV/734000000]"),
            format!("{iphone} Mobile/15E148 Safari Line/15.6.1"),
            "Mozilla/5.0 (Linux; Android 15; Pixel 9; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/140.0 Mobile"
                .to_owned(),
        ] {
            assert!(is_embedded(&embedded), "{embedded}");
        }
        for other in [
            format!("{iphone} Version/18.5 Mobile/15E148 Safari/604.1"),
            "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"
                .to_owned(),
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 Baseline/1".to_owned(),
            "a browser of tomorrow".to_owned(),
            String::new(),
        ] {
            assert!(!is_embedded(&other), "{other}");
        }
    }
}
