//! Work that runs beside requests: sweeping, keys, letters, the status list. Each worker ends at once when the server stops, between any
//! two of its waits: its future is dropped. That loses nothing. A change of the store is applied whole or not at all. A letter that was
//! under way is sent again. One worker finishes its round: a provider that was asked may give its next refresh token once.

use crate::app::{App, Shared};
use crate::asked_again;
use crate::error::Fault;
use crate::login::waiting;
use crate::pinged;
use crate::registration::renewing;
use crate::revoked_there;
use crate::store::retention;
use crate::told;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// For letters that other nodes wrote.
const OUTBOX_PERIOD: Duration = Duration::from_secs(2);
/// Between two looks for people whose providers are to be asked again.
const CHECK_PERIOD: Duration = Duration::from_secs(5);

pub fn start(shared: &Shared, stopped: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let minute = Duration::from_secs(60);
    vec![
        until_stopped(stopped, send_letters(shared.clone())),
        until_stopped(stopped, tell_clients(shared.clone())),
        until_stopped(stopped, refresh_status_list(shared.clone())),
        until_stopped(
            stopped,
            every(shared.clone(), minute, "sweep", async |app| retention::sweep(&app.store, app.now_ms()).await.map(|_| ())),
        ),
        until_stopped(stopped, every(shared.clone(), minute, "old", async |app| app.sweep_old(app.now_ms()).await.map(|_| ()))),
        until_stopped(
            stopped,
            every(shared.clone(), minute, "enrolments", async |app| {
                waiting::confirm_what_waited(&app.store, &app.config, app.now_ms()).await?;
                waiting::end_late_regains(&app.store, &app.config, app.now_ms()).await
            }),
        ),
        tokio::spawn(ask_providers(shared.clone(), stopped.clone())),
        until_stopped(
            stopped,
            every(shared.clone(), CHECK_PERIOD, "revocations", async |app| revoked_there::round(&app, app.machine.providers()).await),
        ),
        until_stopped(stopped, every(shared.clone(), minute * 10, "links", async |app| app.look_at_links().await)),
        until_stopped(stopped, every(shared.clone(), minute, "registered", async |app| renewing::round(&app).await)),
        until_stopped(stopped, every(shared.clone(), minute / 2, "node", async |app| crate::nodes::announce(&app).await)),
        until_stopped(stopped, every(shared.clone(), minute / 6, "keys", async |app| app.refresh_keys().await)),
        until_stopped(stopped, every(shared.clone(), minute / 6, "memory", async |_| give_back_memory())),
    ]
}

/// The allocator gives memory back to the kernel when a large block is freed. A server at rest frees none, and would keep the 19 MiB of each
/// password that was hashed at once.
fn give_back_memory() -> Result<(), Fault> {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(1 << 20)));
    Ok(())
}

/// Runs the work until it ends or the server stops.
fn until_stopped(stopped: &watch::Receiver<bool>, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let mut stopped = stopped.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = stopped.wait_for(|has_stopped| *has_stopped) => {}
            () = work => {}
        }
    })
}

/// A stop waits for the end of a round. Each call to a provider is bounded in time.
async fn ask_providers(shared: Shared, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.wait_for(|has_stopped| *has_stopped) => return,
            () = tokio::time::sleep(CHECK_PERIOD) => {}
        }
        once(&shared, "providers", &async |app| asked_again::round(&app, app.machine.providers()).await).await;
    }
}

async fn every<W>(shared: Shared, period: Duration, task: &'static str, work: W)
where
    W: AsyncFn(Arc<App>) -> Result<(), Fault>,
{
    loop {
        tokio::time::sleep(period).await;
        once(&shared, task, &work).await;
    }
}

async fn once<W>(shared: &Shared, task: &'static str, work: &W)
where
    W: AsyncFn(Arc<App>) -> Result<(), Fault>,
{
    if let Err(fault) = work(shared.now()).await {
        tracing::error!(task, error = %fault, "background work failed");
    }
}

/// Keeps the status list of Android's attestation keys young, from the start on.
async fn refresh_status_list(shared: Shared) {
    loop {
        let app = shared.now();
        let next = crate::attesting::status::refresh(&app.callers.attesting.status, &app).await;
        drop(app);
        tokio::time::sleep(next).await;
    }
}

/// Sends letters: as soon as one was written here, and every other second those of other nodes.
async fn send_letters(shared: Shared) {
    loop {
        let app = shared.now();
        if let Some(mailer) = &app.mailer
            && let Err(fault) = mailer.deliver(&app, &app.pages).await
        {
            tracing::error!(error = %fault, "the outbox could not be read");
        }
        let bell = app.machine.outbox();
        drop(app);
        let _ = tokio::time::timeout(OUTBOX_PERIOD, bell.notified()).await;
    }
}

/// Tells clients what ended, on this node and on others.
async fn tell_clients(shared: Shared) {
    let mut looked = told::Looked::default();
    loop {
        let app = shared.now();
        if let Err(fault) = told::round(&app, &mut looked).await {
            tracing::error!(error = %fault, "clients could not be told of a logout");
        }
        if let Err(fault) = pinged::round(&app).await {
            tracing::error!(error = %fault, "clients and apps could not be told of requests and answers");
        }
        drop(app);
        tokio::time::sleep(OUTBOX_PERIOD).await;
    }
}
