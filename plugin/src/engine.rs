//! The engine that all plug-ins share, and the clock that interrupts them.

use crate::failure::LoadError;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use wasmtime::{Config, Engine, EngineWeak, OptLevel};

/// How often a running plug-in is asked whether its time is over.
pub const TICK: Duration = Duration::from_millis(5);
/// Of one call. The host's own functions need some of the thread's stack beside it.
const STACK: usize = 512 << 10;

/// One for each process. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    engine: Engine,
    ticker: Arc<Ticker>,
}

impl Runtime {
    pub fn new() -> Result<Self, LoadError> {
        let mut config = Config::new();
        config.wasm_component_model(true);
        config.epoch_interruption(true);
        config.max_wasm_stack(STACK);
        config.cranelift_opt_level(OptLevel::Speed);
        // Nothing of these is needed, and what is off cannot be attacked.
        config.wasm_memory64(false);
        config.wasm_relaxed_simd(false);
        let engine = Engine::new(&config).map_err(|error| LoadError(explained(&error)))?;
        let ticker = Ticker::start(engine.weak()).map_err(|error| LoadError(format!("no thread for the clock of plug-ins: {error}")))?;
        Ok(Self { engine, ticker })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The clock runs while this lives.
    pub(crate) fn running(&self) -> Running {
        self.ticker.begin();
        Running(Arc::clone(&self.ticker))
    }
}

/// Where a system forbids memory that is written and then run, the error says only "permission denied".
pub fn explained(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}");
    if text.contains("Permission denied") || text.contains("Operation not permitted") {
        return format!("{text}. Plug-ins are compiled to machine code: the service needs MemoryDenyWriteExecute=no");
    }
    text
}

/// Raises the engine's epoch, on a thread that nothing of the server can block. It sleeps while no plug-in runs.
struct Ticker {
    running: Mutex<usize>,
    woken: Condvar,
}

impl Ticker {
    fn start(engine: EngineWeak) -> std::io::Result<Arc<Self>> {
        let ticker = Arc::new(Self { running: Mutex::new(0), woken: Condvar::new() });
        let weak = Arc::downgrade(&ticker);
        std::thread::Builder::new().name("plugin-clock".to_owned()).spawn(move || {
            while let (Some(ticker), Some(engine)) = (weak.upgrade(), engine.upgrade()) {
                ticker.wait();
                drop(ticker);
                std::thread::sleep(TICK);
                engine.increment_epoch();
            }
        })?;
        Ok(ticker)
    }

    /// Waits until a plug-in runs, at most a second, so that the thread notices when the engine is gone.
    fn wait(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.woken.wait_timeout_while(running, Duration::from_secs(1), |running| *running == 0);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn begin(&self) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.woken.notify_one();
    }

    fn end(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        *running = running.saturating_sub(1);
    }
}

pub(crate) struct Running(Arc<Ticker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.end();
    }
}
