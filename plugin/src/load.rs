//! From bytes to a plug-in that can be called.

use crate::bindings::claims::{Claims, ClaimsPre};
use crate::bindings::decision::{Decision, DecisionPre};
use crate::bindings::evidence::{Evidence, EvidencePre};
use crate::bindings::method::{Method, MethodPre, symbolon::plugin::host as wit_host};
use crate::cache::Cache;
use crate::call::{Call, Turns};
use crate::engine::{Runtime, explained};
use crate::failure::LoadError;
use crate::guest::{Guest, mebibytes};
use crate::host::{Host, OnTrial};
use crate::limits::{COMPONENT, Limits};
use crate::wasi;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

/// What a plug-in is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum World {
    Method,
    Decision,
    Claims,
    Evidence,
}

impl World {
    pub const ALL: [Self; 4] = [Self::Method, Self::Decision, Self::Claims, Self::Evidence];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Decision => "decision",
            Self::Claims => "claims",
            Self::Evidence => "evidence",
        }
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for World {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Self, LoadError> {
        let found = Self::ALL.into_iter().find(|world| world.as_str() == text);
        found.ok_or_else(|| LoadError(format!("there is no world {text:?}; use method, decision, claims or evidence")))
    }
}

/// Bytes of a page of memory.
const PAGE: usize = 1 << 16;

/// The version of `wit/symbolon.wit`.
pub const INTERFACE: &str = "0.2.0";

/// What can be said of a file without calling it.
#[derive(Debug, Clone)]
pub struct Facts {
    pub world: World,
    pub imports: Vec<String>,
    /// The version of the interface that it is built for.
    pub interface: &'static str,
    /// Bytes of the file.
    pub size: usize,
    /// Bytes of memory that an instance begins with.
    pub memory: usize,
    /// How long it took to compile.
    pub compiled_in: Duration,
    /// It was compiled before, and kept.
    pub is_cached: bool,
}

#[derive(Clone)]
pub(crate) enum Exports {
    Method(MethodPre<Guest>),
    Decision(DecisionPre<Guest>),
    Claims(ClaimsPre<Guest>),
    Evidence(EvidencePre<Guest>),
}

/// A component that was compiled and linked. Several plug-ins may be of one.
#[derive(Clone)]
pub struct Compiled {
    pub(crate) runtime: Runtime,
    pub(crate) exports: Exports,
    facts: Arc<Facts>,
}

impl Compiled {
    /// Compiles these very bytes: the caller has compared their digest.
    pub fn new(runtime: &Runtime, bytes: &[u8], world: World) -> Result<Self, LoadError> {
        Self::with_cache(runtime, bytes, world, None)
    }

    /// The same, by what was compiled of these bytes before.
    pub fn with_cache(runtime: &Runtime, bytes: &[u8], world: World, cache: Option<&Cache>) -> Result<Self, LoadError> {
        let linked = Linked::of(runtime, bytes, cache)?;
        let compiled = linked.as_world(runtime, world)?;
        if let Some(cache) = cache.filter(|_| !linked.is_cached) {
            cache.keep(runtime.engine(), bytes, linked.instance.component());
        }
        Ok(compiled)
    }

    /// The first world that the file fits, for whoever does not know it. It is compiled once.
    pub fn of_any_world(runtime: &Runtime, bytes: &[u8]) -> Result<Self, LoadError> {
        let linked = Linked::of(runtime, bytes, None)?;
        let mut why = Vec::new();
        for world in World::ALL {
            match linked.as_world(runtime, world) {
                Ok(compiled) => return Ok(compiled),
                Err(error) => why.push(error.0),
            }
        }
        Err(LoadError(why.join("; ")))
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// A component that was compiled and linked, before its world is known.
struct Linked {
    instance: InstancePre<Guest>,
    imports: Vec<String>,
    size: usize,
    memory: usize,
    compiled_in: Duration,
    is_cached: bool,
}

impl Linked {
    fn of(runtime: &Runtime, bytes: &[u8], cache: Option<&Cache>) -> Result<Self, LoadError> {
        if bytes.len() > COMPONENT {
            return Err(LoadError(format!("the file has {}; at most {} are read", mebibytes(bytes.len()), mebibytes(COMPONENT))));
        }
        let engine = runtime.engine();
        let began = Instant::now();
        let kept = cache.and_then(|cache| cache.load(engine, bytes));
        let is_cached = kept.is_some();
        let component = match kept {
            Some(component) => component,
            None => Component::from_binary(engine, bytes).map_err(|error| not_a_component(bytes, &error))?,
        };
        let compiled_in = began.elapsed();
        let imports = imports(&component, engine)?;
        let pages = component.resources_required().and_then(|required| required.max_initial_memory_size).unwrap_or(0);
        let memory = usize::try_from(pages).unwrap_or(usize::MAX).saturating_mul(PAGE);
        let mut linker = Linker::<Guest>::new(engine);
        let broken = |error: wasmtime::Error| LoadError(format!("it cannot be linked: {}", explained(&error)));
        wit_host::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest).map_err(broken)?;
        wasi::link(&mut linker, &component, engine).map_err(broken)?;
        let instance = linker.instantiate_pre(&component).map_err(broken)?;
        Ok(Self { instance, imports, size: bytes.len(), memory, compiled_in, is_cached })
    }

    fn as_world(&self, runtime: &Runtime, world: World) -> Result<Compiled, LoadError> {
        let linked = self.instance.clone();
        let other = |error: wasmtime::Error| LoadError(format!("it is no plug-in of the world {world}: {error:#}"));
        let exports = match world {
            World::Method => Exports::Method(MethodPre::new(linked).map_err(other)?),
            World::Decision => Exports::Decision(DecisionPre::new(linked).map_err(other)?),
            World::Claims => Exports::Claims(ClaimsPre::new(linked).map_err(other)?),
            World::Evidence => Exports::Evidence(EvidencePre::new(linked).map_err(other)?),
        };
        let Self { size, memory, compiled_in, is_cached, .. } = *self;
        let facts = Facts { world, imports: self.imports.clone(), interface: INTERFACE, size, memory, compiled_in, is_cached };
        Ok(Compiled { runtime: runtime.clone(), exports, facts: Arc::new(facts) })
    }
}

fn not_a_component(bytes: &[u8], error: &wasmtime::Error) -> LoadError {
    // Magic, then a version and what it is: a module is layer 0, a component layer 1.
    let is_module = bytes.get(..8).is_some_and(|head| head == b"\0asm\x01\0\0\0");
    if is_module {
        return LoadError("it is a core module, and no component: make one of it with `jco new` or `wasm-tools component new`".to_owned());
    }
    LoadError(format!("it is no WebAssembly component that can be compiled: {}", explained(error)))
}

/// What it imports, if that is all of ours or of WASI.
fn imports(component: &Component, engine: &wasmtime::Engine) -> Result<Vec<String>, LoadError> {
    let kind = component.component_type();
    let names: Vec<String> = kind.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let of_other =
        |name: &String| name.strip_prefix("symbolon:plugin/")?.split_once('@').map(|it| it.1.to_owned()).filter(|it| it != INTERFACE);
    if let Some(version) = names.iter().find_map(of_other) {
        let how = "build it anew with the plugin/wit of this version";
        return Err(LoadError(format!("it is built for the interface {version} of plug-ins, and this program has {INTERFACE}: {how}")));
    }
    let foreign = names.iter().find(|name| !name.starts_with("symbolon:plugin/") && !name.starts_with("wasi:"));
    match foreign {
        Some(name) => Err(LoadError(format!("it imports {name}, which there is not"))),
        None => Ok(names),
    }
}

/// A plug-in as the server uses it. Cheap to clone; all clones share one number of turns.
#[derive(Clone)]
pub struct Plugin(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub compiled: Compiled,
    pub host: Arc<dyn Host>,
    pub limits: Limits,
    pub turns: Turns,
}

impl Plugin {
    /// Makes one instance on trial, so that what does not fit the limits is known before anybody signs in.
    pub fn new(compiled: &Compiled, host: Arc<dyn Host>, limits: Limits) -> Result<Self, LoadError> {
        Self::counting_on(compiled, host, limits, None)
    }

    /// The same. It goes on with the counters of the one whose place it takes.
    pub fn counting_on(compiled: &Compiled, host: Arc<dyn Host>, limits: Limits, before: Option<&Self>) -> Result<Self, LoadError> {
        let needed = compiled.facts.memory;
        if needed > limits.memory {
            let (needs, limit) = (mebibytes(needed), mebibytes(limits.memory));
            return Err(LoadError(format!("it needs {needs} of memory, the limit is {limit}: set memory")));
        }
        let counters = before.map(|it| Arc::clone(&it.0.turns.counters)).unwrap_or_default();
        let inner = |host| Inner { compiled: compiled.clone(), host, limits, turns: Turns::new(&limits, Arc::clone(&counters)) };
        let trial = Call { id: "trial".to_owned(), now_ms: 0 };
        inner(Arc::new(OnTrial(Arc::clone(&host))))
            .perform(trial, Instant::now() + limits.time, |store, exports| exports.instantiate(store))
            .map_err(|failure| LoadError(format!("an instance of it cannot be made: {failure}")))?;
        Ok(Self(Arc::new(inner(host))))
    }

    pub fn facts(&self) -> &Facts {
        &self.0.compiled.facts
    }

    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }
}

impl Exports {
    fn instantiate(&self, store: &mut wasmtime::Store<Guest>) -> wasmtime::Result<()> {
        match self {
            Self::Method(exports) => exports.instantiate(store).map(|_: Method| ()),
            Self::Decision(exports) => exports.instantiate(store).map(|_: Decision| ()),
            Self::Claims(exports) => exports.instantiate(store).map(|_: Claims| ()),
            Self::Evidence(exports) => exports.instantiate(store).map(|_: Evidence| ()),
        }
    }
}
