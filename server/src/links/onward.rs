//! The link of the continue page, in the form that the person's system opens an app by.

use crate::config::{Client, ContinuePage};

/// The links of one page, all of one strength: only the app that the host vouches for is opened.
#[derive(Debug, PartialEq, Eq)]
pub struct Onward {
    /// Of the button.
    pub first: String,
    /// The plain link, where the button has another form.
    pub second: Option<String>,
}

/// `to`: the redirect URI with the answer. On Android an `intent:` names the app's package, so that no other app is asked.
/// It carries the scheme https, the configured package and a fallback without the answer, and nothing else.
pub fn links_to(client: &Client, page: &ContinuePage, to: &str, user_agent: &str) -> Onward {
    let plain = || Onward { first: to.to_owned(), second: None };
    let mut packages = client.app.iter().flat_map(|it| it.android.keys());
    let (Some(package), None) = (packages.next(), packages.next()) else { return plain() };
    let Some(rest) = to.strip_prefix("https://").filter(|it| !it.contains('#') && user_agent.contains("Android")) else { return plain() };
    let fallback = page.app_page.as_deref().map(|it| format!("S.browser_fallback_url={};", encoded(it))).unwrap_or_default();
    Onward { first: format!("intent://{rest}#Intent;scheme=https;package={package};{fallback}end"), second: Some(to.to_owned()) }
}

/// Every sign that could end a member of the intent.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::config::Config;

    const ANDROID: &str =
        "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36";
    const TO: &str = "https://links.shop.test/callback?code=c%3Bd&state=s";

    fn client(packages: &str) -> Client {
        let text = format!(
            "issuer = \"https://login.example.com\"\n[client.app]\nkind = \"native\"\nredirect_uris = [\"https://links.shop.test/callback\"]\n\
             app = {{ ios = [\"ABCDE12345.com.example\"], android = {{ {packages} }} }}\n"
        );
        Config::from_text(&text, "x", &|_| None).unwrap().client["app"].clone()
    }

    /// 036-R: the scheme, the package and the fallback are the configuration's.
    #[test]
    fn an_intent_names_the_package_and_nothing_of_the_request() {
        let fingerprint = "14".repeat(32);
        let one = format!("\"com.example.shop\" = {{ play = \"{fingerprint}\" }}");
        let page = ContinuePage { host: "go.test".to_owned(), app_page: None };
        let made = links_to(&client(&one), &page, TO, ANDROID);
        assert_eq!(made.first, "intent://links.shop.test/callback?code=c%3Bd&state=s#Intent;scheme=https;package=com.example.shop;end");
        assert_eq!(made.second.as_deref(), Some(TO));
        let with_page = ContinuePage { app_page: Some("https://shop.test/app?a=1;b#c".to_owned()), ..page.clone() };
        let made = links_to(&client(&one), &with_page, TO, ANDROID).first;
        assert!(
            made.ends_with("package=com.example.shop;S.browser_fallback_url=https%3A%2F%2Fshop.test%2Fapp%3Fa%3D1%3Bb%23c;end"),
            "{made}"
        );
        assert!(!made.split_once("#Intent").unwrap().1.contains("code"), "{made}");
        let plain = Onward { first: TO.to_owned(), second: None };
        let two = format!("{one}, \"com.example.shop2\" = {{ play = \"{fingerprint}\" }}");
        assert_eq!(links_to(&client(&two), &page, TO, ANDROID), plain, "which of two packages is not known");
        assert_eq!(links_to(&client(""), &page, TO, ANDROID), plain);
        assert_eq!(links_to(&client(&one), &page, TO, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)"), plain);
    }
}
