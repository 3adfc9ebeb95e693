//! The answer that comes back from the browser. RFC 8252 8.10, RFC 9207 2.4: only an answer to our own request, from the server that we
//! asked, is used.

use crate::connection::Settings;
use crate::wallet::{RESPONSE_CODE, WALLET_STATE, WalletCode};
use symbolon_oauth::form::Form;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// This is no answer to our request: any app and any page can open our redirect URI. It changes nothing.
    NotOurs,
    Code(String),
    /// What was proved in the browser is for the native sign-in that sent the person there.
    BrowserReturn(String),
    /// A wallet leads to the app, with a code for the native sign-in that opened it. Whether that is ours, the server says.
    WalletReturn(WalletCode),
    Refused {
        error: String,
        description: String,
    },
    /// It has our state and another server's name, or none: this may be a mix-up attack.
    AnotherIssuer,
}

/// Reads the URL that the operating system handed over. `state` is that of the pending request.
pub fn read(url: &str, settings: &Settings, state: &str) -> Redirect {
    let Some(form) = query(url, &settings.redirect_uri) else { return Redirect::NotOurs };
    let get = |name: &str| form.get(name).map(str::to_owned);
    // This link ends no request, so that it has no `state` of ours.
    if let (Some(wallet_state), Some(response_code), None, None) = (get(WALLET_STATE), get(RESPONSE_CODE), get("state"), get("code")) {
        return Redirect::WalletReturn(WalletCode { wallet_state, response_code });
    }
    if state.is_empty() || get("state").as_deref() != Some(state) {
        return Redirect::NotOurs;
    }
    if get("iss").as_deref() != Some(&settings.issuer) {
        return Redirect::AnotherIssuer;
    }
    match (get("code"), get("browser_return"), get("error")) {
        (Some(code), None, None) => Redirect::Code(code),
        (None, Some(handle), None) => Redirect::BrowserReturn(handle),
        (None, None, Some(error)) => Redirect::Refused { error, description: get("error_description").unwrap_or_default() },
        _ => Redirect::NotOurs,
    }
}

/// The parameters of the response behind exactly our redirect URI. None may be repeated.
fn query(url: &str, redirect_uri: &str) -> Option<Form> {
    let rest = url.strip_prefix(redirect_uri)?;
    let query = rest.strip_prefix(if redirect_uri.contains('?') { '&' } else { '?' })?;
    Form::parse(query.split('#').next()?.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(redirect_uri: &str, url: &str) -> Redirect {
        let settings = Settings { issuer: "https://a.example".into(), client_id: "shop".into(), redirect_uri: redirect_uri.into() };
        read(url, &settings, "s1")
    }

    #[test]
    fn only_the_answer_to_the_pending_request_is_read() {
        let code = Redirect::Code("c".to_owned());
        for back in ["https://app.example/cb", "com.example.app:/cb", "http://127.0.0.1:4711/cb"] {
            let good = format!("{back}?code=c&state=s1&iss=https%3A%2F%2Fa.example");
            assert_eq!(read_from(back, &good), code);
            assert_eq!(read_from(back, &format!("{good}#ignored")), code);
            assert_eq!(read_from(back, &good.replace("code=c", "browser_return=c")), Redirect::BrowserReturn("c".to_owned()));
            for bad in [
                good.replace("s1", "s2"),
                good.replace("state=s1&", ""),
                good.replace("/cb", "/cb2"),
                good.replace("/cb?", "/cb/?"),
                good.replace("code=c", "code=c&code=d"),
                good.replace("state=s1", "state=s2&state=s1"),
                good.replace("code=c", "code=c&error=x"),
                good.replace("code=c", "code=c&browser_return=sw_1"),
                good.replace("code=c&", ""),
                good.replace('?', "#"),
                format!("evil{good}"),
            ] {
                assert_eq!(read_from(back, &bad), Redirect::NotOurs, "{bad}");
            }
            for bad in [good.replace("a.example", "b.example"), good.replace("&iss=https%3A%2F%2Fa.example", ""), format!("{good}%2F")] {
                assert_eq!(read_from(back, &bad), Redirect::AnotherIssuer, "{bad}");
            }
        }
        let wallet = "https://app.example/cb?wallet_state=w&response_code=r";
        let found = Redirect::WalletReturn(WalletCode { wallet_state: "w".to_owned(), response_code: "r".to_owned() });
        assert_eq!(read_from("https://app.example/cb", wallet), found);
        for bad in [
            wallet.replace("wallet_state=w&", ""),
            wallet.replace("&response_code=r", ""),
            wallet.replace("/cb", "/cb2"),
            format!("{wallet}&wallet_state=x"),
            format!("{wallet}&state=s2"),
            format!("{wallet}&code=c"),
        ] {
            assert_eq!(read_from("https://app.example/cb", &bad), Redirect::NotOurs, "{bad}");
        }
        let own = "https://app.example/cb?own=1";
        assert_eq!(read_from(own, &format!("{own}&code=c&state=s1&iss=https://a.example")), code);
        let refused = read_from(own, &format!("{own}&error=access_denied&state=s1&iss=https://a.example"));
        assert_eq!(refused, Redirect::Refused { error: "access_denied".to_owned(), description: String::new() });
    }
}
