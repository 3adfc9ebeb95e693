//! Connections of both versions of HTTP, byte by byte, with short limits.
#![allow(clippy::unwrap_used, reason = "tests")]
use super::super::places::Places;
use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch::Sender;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const ANSWER_BYTES: usize = 10_000;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct Served {
    caller: DuplexStream,
    places: Places,
    task: JoinHandle<()>,
    started: Instant,
    _stop: Sender<bool>,
}

fn limits() -> Limits {
    let ms = Duration::from_millis;
    Limits { head: ms(400), idle: ms(1000), request: ms(500), write: ms(600), total: ms(60_000), look: ms(20) }
}

/// A connection whose requests are answered with many bytes after `takes`.
fn serve_with(limits: Limits, all_bytes: usize, takes: Duration) -> Served {
    serve_in(Places::with_limits(10, all_bytes), limits, takes)
}

/// The request is read to its end first.
fn serve_in(places: Places, limits: Limits, takes: Duration) -> Served {
    let (caller, io) = tokio::io::duplex(1 << 20);
    let place = Arc::new(places.take_within("192.0.2.7".parse().unwrap(), Some(10)).unwrap());
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(serve_within(io, place, limits, stopped, move |request: Request<Counted<Incoming>>| async move {
        let _ = request.into_body().collect().await;
        tokio::time::sleep(takes).await;
        reply::body(200, "text/plain", vec![b'x'; ANSWER_BYTES])
    }));
    Served { caller, places, task, started: Instant::now(), _stop: stop }
}

impl Served {
    /// Until the server has closed.
    async fn closed_after(self) -> u128 {
        let mut caller = self.caller;
        tokio::spawn(async move {
            let mut rest = Vec::new();
            let _ = caller.read_to_end(&mut rest).await;
        });
        tokio::time::timeout(Duration::from_secs(20), self.task).await.unwrap().unwrap();
        let took = self.started.elapsed().as_millis();
        // The tasks of HTTP/2's streams learn of the end a moment later.
        let given_back = async {
            while self.places.held_bytes() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), given_back).await.unwrap();
        took
    }

    async fn ask_http1(&mut self) -> String {
        self.caller.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        self.answer_of_http1().await
    }

    async fn answer_of_http1(&mut self) -> String {
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let read = self.caller.read(&mut piece).await.unwrap();
            answer.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&answer);
            let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
            if read == 0 || body == Some(ANSWER_BYTES) || (body.is_some() && text.contains("content-length: 0")) {
                return text.into_owned();
            }
        }
    }

    /// Begins HTTP/2 with this window for answers, and asks on so many streams.
    async fn ask_http2(&mut self, window: u32, streams: u32) {
        let mut settings = vec![0, 4];
        settings.extend_from_slice(&window.to_be_bytes());
        let mut all = PREFACE.to_vec();
        all.extend(frame(4, 0, 0, &settings));
        for at in 0..streams {
            all.extend(frame(1, 5, 2 * at + 1, &[0x82, 0x86, 0x84, 0x41, 1, b'x']));
        }
        self.caller.write_all(&all).await.unwrap();
    }

    /// Reads this many bytes of answers in HTTP/2.
    async fn take_data(&mut self, wanted: usize) {
        let mut taken = 0;
        while taken < wanted {
            let mut head = [0; 9];
            self.caller.read_exact(&mut head).await.unwrap();
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let mut payload = vec![0; length];
            self.caller.read_exact(&mut payload).await.unwrap();
            taken += if head[3] == 0 { length } else { 0 };
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut all = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    all.extend([kind, flags]);
    all.extend(stream.to_be_bytes());
    all.extend(payload);
    all
}

/// Both versions may be idle for as long, and no longer. The time for a head does not begin with the idle time before it.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_ends_after_its_time_whatever_the_version() {
    let mut old = serve_with(limits(), 1 << 20, Duration::ZERO);
    assert!(old.ask_http1().await.starts_with("HTTP/1.1 200"));
    let mut new = serve_with(limits(), 1 << 20, Duration::ZERO);
    new.ask_http2(65_535, 1).await;
    new.take_data(ANSWER_BYTES).await;
    for (version, served) in [("1", old), ("2", new)] {
        let took = served.closed_after().await;
        assert!((950..2500).contains(&took), "HTTP/{version}: {took}");
    }
    // The twin: one that asks in between goes on.
    let mut asking = serve_with(limits(), 1 << 20, Duration::ZERO);
    for _ in 0..4 {
        assert!(asking.ask_http1().await.starts_with("HTTP/1.1 200"));
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    assert!(!asking.task.is_finished());
}

/// A head that never ends, in the first request and in a later one.
#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_request_has_its_time() {
    let mut first = serve_with(limits(), 1 << 20, Duration::ZERO);
    first.caller.write_all(b"GET / HT").await.unwrap();
    let mut later = serve_with(limits(), 1 << 20, Duration::ZERO);
    later.ask_http1().await;
    later.caller.write_all(b"GET / HT").await.unwrap();
    for served in [first, later] {
        let took = served.closed_after().await;
        assert!((380..900).contains(&took), "{took}");
    }
}

/// A caller that opens no window keeps a bounded number of bytes for a bounded time. The twin takes its answers and stays.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_takes_are_counted_and_end() {
    let mut closed = serve_with(limits(), 1 << 20, Duration::ZERO);
    closed.ask_http2(0, 20).await;
    let mut small = serve_with(limits(), 1 << 20, Duration::ZERO);
    small.ask_http2(1, 20).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for served in [&closed, &small] {
        assert!((20 * ANSWER_BYTES..21 * ANSWER_BYTES).contains(&served.places.held_bytes()), "{}", served.places.held_bytes());
    }
    for served in [closed, small] {
        let took = served.closed_after().await;
        assert!((580..1100).contains(&took), "{took}");
    }
    let mut open = serve_with(limits(), 1 << 20, Duration::ZERO);
    open.ask_http2(65_535, 6).await;
    open.take_data(6 * ANSWER_BYTES).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!((open.places.held_bytes(), open.task.is_finished()), (0, false));
}

/// Without room for an answer a short one says so. So does one after a request that takes too long.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_room_or_takes_too_long_is_answered_with_503() {
    for (bytes, takes, wanted) in [
        (1 << 20, Duration::ZERO, "HTTP/1.1 200"),
        (ANSWER_BYTES / 2, Duration::ZERO, "HTTP/1.1 503"),
        (1, Duration::ZERO, "HTTP/1.1 503"),
        (1 << 20, Duration::from_secs(5), "HTTP/1.1 503"),
    ] {
        let mut served = serve_with(limits(), bytes, takes);
        let answer = served.ask_http1().await;
        assert!(answer.starts_with(wanted), "{bytes} {takes:?}: {answer:.80}");
        assert_eq!(answer.contains("retry-after: 1"), wanted.ends_with("503"), "{answer:.200}");
    }
}

/// Half of a request, and what would make it whole. The last one asks nothing at first.
fn halves() -> [(&'static str, Vec<u8>, Vec<u8>); 5] {
    let post = |rest: &str| format!("POST / HTTP/1.1\r\nhost: x\r\n{rest}").into_bytes();
    let opened = [PREFACE, &frame(4, 0, 0, &[])[..], &frame(1, 4, 1, &[0x83, 0x86, 0x84, 0x41, 1, b'x'])[..], &frame(0, 0, 1, b"a")[..]];
    [
        ("a body of a length", post("content-length: 3\r\n\r\na"), b"bc".to_vec()),
        ("a body in chunks", post("transfer-encoding: chunked\r\n\r\n1\r\na\r\n"), b"0\r\n\r\n".to_vec()),
        ("a body of HTTP/2", opened.concat(), frame(0, 1, 1, b"bc")),
        ("a head", b"GET / HTTP/1.1\r\nho".to_vec(), b"st: x\r\n\r\n".to_vec()),
        ("nothing", Vec::new(), b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
    ]
}

/// Whoever fills the places with half requests keeps nobody out: when places are few, the rest has to come soon. The twins: with places
/// left it has its usual time, and what came whole is answered however long that takes.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_request_has_less_time_when_places_are_few() {
    let patient = || Limits { look: Duration::from_millis(20), ..Limits::default() };
    let roomy = Places::with_limits(20, 1 << 20);
    // All but one place is taken.
    let full = || {
        let places = Places::with_limits(10, 1 << 20);
        let taken: Vec<_> = (0..9).map(|_| places.take_within("192.0.2.8".parse().unwrap(), Some(10)).unwrap()).collect();
        (places, taken)
    };
    let mut all = tokio::task::JoinSet::new();
    for (what, half, rest) in halves() {
        let (places, taken) = full();
        let mut short = serve_in(places, patient(), Duration::ZERO);
        short.caller.write_all(&half).await.unwrap();
        all.spawn(async move {
            let _taken = taken;
            let took = short.closed_after().await;
            assert!((900..5000).contains(&took), "{what}: {took}");
        });
        let mut usual = serve_in(roomy.clone(), patient(), Duration::ZERO);
        usual.caller.write_all(&half).await.unwrap();
        all.spawn(async move {
            tokio::time::sleep(Duration::from_millis(2500)).await;
            assert!(!usual.task.is_finished(), "{what}");
            usual.caller.write_all(&rest).await.unwrap();
            if what.ends_with("HTTP/2") {
                usual.take_data(ANSWER_BYTES).await;
            } else {
                assert!(usual.answer_of_http1().await.starts_with("HTTP/1.1 200"), "{what}");
            }
        });
    }
    while let Some(one) = all.join_next().await {
        one.unwrap();
    }
    let (places, _taken) = full();
    let mut whole = serve_in(places, patient(), Duration::from_millis(2500));
    assert!(whole.ask_http1().await.starts_with("HTTP/1.1 200"));
}

/// A connection ends some time after it was asked to, however much its caller asks. This one never agrees to the end: it goes on to open
/// streams, and answers no ping. The twin has its usual total.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_has_an_end_however_busy_it_is() {
    for (total_ms, ends) in [(300, true), (60_000, false)] {
        let mut busy = serve_with(Limits { total: Duration::from_millis(total_ms), ..limits() }, 1 << 20, Duration::from_millis(100));
        busy.ask_http2(1 << 30, 0).await;
        let (mut reading, mut writing) = tokio::io::split(busy.caller);
        tokio::spawn(async move { tokio::io::copy(&mut reading, &mut tokio::io::sink()).await });
        let asking = tokio::spawn(async move {
            for at in 0..100_000 {
                let headers = frame(1, 5, 2 * at + 1, &[0x82, 0x86, 0x84, 0x41, 1, b'x']);
                let window = frame(8, 0, 0, &u32::try_from(ANSWER_BYTES).unwrap().to_be_bytes());
                if writing.write_all(&[headers, window].concat()).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let ended = tokio::time::timeout(Duration::from_secs(3), busy.task).await;
        assert_eq!(ended.is_ok(), ends, "{total_ms}");
        let took = busy.started.elapsed().as_millis();
        // The total, and the longest that a request and its answer may take.
        assert!(!ends || (1300..2500).contains(&took), "{took}");
        asking.abort();
    }
}
