//! The part of the account page about providers: which identities lead to the account, and which providers may be linked.

use crate::app::App;
use crate::config::upstream::Linking;
use crate::error::Result;
use crate::login::linking::shown_link;
use crate::pages::{LinkView, LinksView, ProviderView};

pub async fn view(app: &App, account: &str) -> Result<LinksView> {
    let providers = app.machine.providers();
    let mut links = Vec::new();
    for link in app.accounts().links_of(account).await? {
        let name = link.method.strip_prefix("upstream:").unwrap_or(&link.method).to_owned();
        let label = app.machine.label_of(&name).map_or_else(|| name.clone(), str::to_owned);
        links.push(LinkView { key: link.key(), label, shown: shown_link(&link) });
    }
    let may_link = providers.all().filter(|(_, provider)| provider.settings.linking != Linking::Off);
    let providers = may_link.map(|(name, provider)| ProviderView { name: name.to_owned(), label: provider.settings.label.clone() });
    let wallets = app.machine.wallets().all().filter(|(_, wallet)| Linking::from(wallet.settings.linking) != Linking::Off);
    let wallets = wallets.map(|(_, wallet)| ProviderView { name: wallet.method(), label: wallet.settings.label.clone() });
    Ok(LinksView { links, providers: providers.chain(wallets).collect() })
}
