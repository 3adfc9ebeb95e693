//! The rows: what the server is asked, the same on every engine. One row's answers are what the next row needs.

use crate::limits::Limit;
use crate::load::Row;
use crate::steps::{Ask, BOTH, Bench};
use crate::{api, bound, kiosk, linked, native};

/// The rows of the server, and the cost of an API's layer for the tokens that the server gave.
pub async fn measure(bench: &Bench<'_>) -> Result<(Vec<Row>, Vec<Limit>), String> {
    let mut rows = vec![bench.metadata().await?, bench.association_file().await?];
    rows.extend(bench.client_credentials().await?);
    let (row, codes) = bench.authorize(&Ask::phone(BOTH)).await?;
    rows.push(row);
    let (row, tokens) = bench.exchange("code exchange", codes, bench.load(200)).await?;
    rows.push(row);
    rows.push(bench.refresh("refresh", &tokens, bench.profile).await?);
    rows.push(bench.refresh_alone(&bench.grants(BOTH).await?).await?);
    let openid = bench.grants("openid orders:read").await?;
    rows.push(bench.refresh("refresh with an ID token (two signatures)", &openid, None).await?);
    rows.push(bench.introspect("introspection of a JWT", "orders", &openid).await?);
    let opaque = bench.grants("ledger:read").await?;
    rows.push(bench.introspect("introspection of an opaque token", "ledger", &opaque).await?);
    let bound = bound::measure(bench).await?;
    rows.extend(bound.rows);
    rows.extend(native::measure(bench).await?);
    rows.push(bench.poll().await?);
    rows.extend(kiosk::measure(bench).await?);
    rows.extend(linked::continue_page(bench).await?);
    let api = api::measure(&bench.site.issuer, &openid, &bound.orders, &bound.key).await?;
    Ok((rows, api))
}

/// The rows that two builds are compared by.
pub async fn measure_tokens(bench: &Bench<'_>) -> Result<Vec<Row>, String> {
    let (authorize, codes) = bench.authorize(&Ask::phone(BOTH)).await?;
    let (exchange, tokens) = bench.exchange("code exchange", codes, bench.load(200)).await?;
    let refresh = bench.refresh("refresh", &tokens, bench.profile).await?;
    let alone = bench.refresh_alone(&bench.grants(BOTH).await?).await?;
    let mut rows = vec![authorize, exchange, refresh, alone];
    rows.extend(bound::measure(bench).await?.rows);
    Ok(rows)
}

/// The refresh row alone, over as many grants, for a comparison with it.
pub async fn measure_refresh(bench: &Bench<'_>, name: &str) -> Result<Row, String> {
    let (_, codes) = bench.authorize(&Ask::phone(BOTH)).await?;
    let (_, tokens) = bench.exchange("preparing grants", codes, bench.load(200)).await?;
    bench.refresh(name, &tokens, None).await
}
