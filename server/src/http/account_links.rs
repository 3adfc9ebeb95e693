//! The part of the account page about providers: which identities lead to the account, and which providers may be linked.

use crate::app::App;
use crate::config::upstream::{Linking, Preset};
use crate::error::Result;
use crate::login::linking::shown_link;
use crate::pages::{LinkView, LinksView, ProviderView};
use crate::store::tables::provider_token;

pub async fn view(app: &App, account: &str) -> Result<LinksView> {
    let providers = app.machine.providers();
    let mut links = Vec::new();
    for link in app.accounts().links_of(account).await? {
        let name = link.method.strip_prefix("upstream:").unwrap_or(&link.method).to_owned();
        let label = app.machine.label_of(&name).map_or_else(|| name.clone(), str::to_owned);
        let ends_there = ends_there(app, &name, (&link.key(), account)).await?;
        links.push(LinkView { key: link.key(), label, shown: shown_link(&link), ends_there });
    }
    let may_link = providers.all().filter(|(_, provider)| provider.settings.linking != Linking::Off);
    let providers = may_link.map(|(name, provider)| ProviderView { name: name.to_owned(), label: provider.settings.label.clone() });
    let wallets = app.machine.wallets().all().filter(|(_, wallet)| Linking::from(wallet.settings.linking) != Linking::Off);
    let wallets = wallets.map(|(_, wallet)| ProviderView { name: wallet.method(), label: wallet.settings.label.clone() });
    Ok(LinksView { links, providers: providers.chain(wallets).collect() })
}

/// Does the person have to end the link in the settings of the account there? Apple lists the apps that somebody signs in to, and so does
/// whatever has `revoke`. Nothing is revoked where the sign-in brought no refresh token, as the SDK in an app brings none (S-36).
async fn ends_there(app: &App, provider: &str, (identity, account): (&str, &str)) -> Result<bool> {
    let Some(settings) = app.config.upstream.get(provider) else { return Ok(false) };
    if !settings.revoke {
        return Ok(settings.preset == Some(Preset::Apple));
    }
    Ok(app.store.one(provider_token::RENEWABLE, &[identity.into(), provider.into(), account.into()]).await?.is_none())
}
