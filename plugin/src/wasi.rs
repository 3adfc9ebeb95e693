//! Stand-ins for WASI. Compilers of other languages import it whether a program uses it or not. Time and randomness are the call's own,
//! environment and directories are empty, what is printed goes to the log. Everything else traps and names itself.

use crate::failure::Reason;
use crate::guest::Guest;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceType, Val};
use wasmtime::{AsContextMut, Engine, Error, Result, StoreContextMut};

/// Any resource. There is one kind that can be had at all: what a program prints to.
struct Handle;

type Results<'a> = &'a mut [Val];
type Function = fn(StoreContextMut<'_, Guest>, &[Val], Results<'_>) -> Result<()>;

/// The functions that do something, by interface without its version, and name.
const FUNCTIONS: &[(&str, &str, Function)] = &[
    ("wasi:random/random", "get-random-bytes", random_bytes),
    ("wasi:random/random", "get-random-u64", random_number),
    ("wasi:random/insecure", "get-insecure-random-bytes", random_bytes),
    ("wasi:random/insecure", "get-insecure-random-u64", random_number),
    ("wasi:random/insecure-seed", "insecure-seed", random_pair),
    ("wasi:random/insecure-seed", "get-insecure-seed", random_pair),
    ("wasi:clocks/monotonic-clock", "now", nanoseconds),
    ("wasi:clocks/monotonic-clock", "resolution", one_millisecond),
    ("wasi:clocks/wall-clock", "now", date_time),
    ("wasi:clocks/wall-clock", "resolution", wall_resolution),
    ("wasi:cli/environment", "get-environment", nothing_listed),
    ("wasi:cli/environment", "get-arguments", nothing_listed),
    ("wasi:cli/environment", "initial-cwd", none),
    ("wasi:filesystem/preopens", "get-directories", nothing_listed),
    ("wasi:cli/stdout", "get-stdout", output),
    ("wasi:cli/stderr", "get-stderr", output),
    ("wasi:cli/terminal-stdin", "get-terminal-stdin", none),
    ("wasi:cli/terminal-stdout", "get-terminal-stdout", none),
    ("wasi:cli/terminal-stderr", "get-terminal-stderr", none),
    ("wasi:io/streams", "[method]output-stream.check-write", writable),
    ("wasi:io/streams", "[method]output-stream.write", write),
    ("wasi:io/streams", "[method]output-stream.blocking-write-and-flush", write),
    ("wasi:io/streams", "[method]output-stream.flush", flushed),
    ("wasi:io/streams", "[method]output-stream.blocking-flush", flushed),
];

/// Links what of WASI the component imports, in the version that it names.
pub fn link(linker: &mut Linker<Guest>, component: &Component, engine: &Engine) -> Result<()> {
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(interface) = import.ty else { continue };
        if !name.starts_with("wasi:") {
            continue;
        }
        let base = name.split('@').next().unwrap_or(name);
        let mut instance = linker.instance(name)?;
        for (member, item) in interface.exports(engine) {
            define(&mut instance, (base, member), &item.ty, name)?;
        }
    }
    Ok(())
}

fn define(instance: &mut LinkerInstance<'_, Guest>, (base, member): (&str, &str), item: &ComponentItem, name: &str) -> Result<()> {
    match item {
        ComponentItem::Resource(_) => instance.resource(member, ResourceType::host::<Handle>(), |_, _| Ok(())),
        ComponentItem::ComponentFunc(_) => {
            let known = FUNCTIONS.iter().find(|(interface, function, _)| (*interface, *function) == (base, member));
            match known {
                Some((_, _, function)) => {
                    let function = *function;
                    instance.func_new(member, move |mut store, _, arguments, results| {
                        store.data_mut().count_call()?;
                        function(store.as_context_mut(), arguments, results)?;
                        give_back(store, arguments)
                    })
                }
                None => {
                    let called = format!("{name}#{member}");
                    instance.func_new(member, move |mut store, _, _, _| {
                        store.data_mut().stop(Reason::Trap, &format!("it called {called}, which there is not"))
                    })
                }
            }
        }
        _ => Ok(()),
    }
}

/// What was lent for one call goes back at its end. Otherwise the sandbox refuses the answer of the whole call.
fn give_back(mut store: StoreContextMut<'_, Guest>, arguments: &[Val]) -> Result<()> {
    for argument in arguments {
        if let Val::Resource(resource) = argument
            && !resource.owned()
        {
            resource.resource_drop(store.as_context_mut())?;
        }
    }
    Ok(())
}

fn give(results: Results<'_>, value: Val) -> Result<()> {
    match results {
        [only] => {
            *only = value;
            Ok(())
        }
        _ => Err(Error::msg("a function of WASI with another number of results")),
    }
}

fn random_bytes(mut store: StoreContextMut<'_, Guest>, arguments: &[Val], results: Results<'_>) -> Result<()> {
    let Some(Val::U64(length)) = arguments.first() else { return Err(Error::msg("no length of random bytes")) };
    let bytes = store.data_mut().random_bytes(*length)?;
    give(results, Val::List(bytes.into_iter().map(Val::U8).collect()))
}

fn number(store: &mut StoreContextMut<'_, Guest>) -> Result<u64> {
    let bytes = store.data_mut().random_bytes(8)?;
    Ok(bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

fn random_number(mut store: StoreContextMut<'_, Guest>, _: &[Val], results: Results<'_>) -> Result<()> {
    let value = number(&mut store)?;
    give(results, Val::U64(value))
}

fn random_pair(mut store: StoreContextMut<'_, Guest>, _: &[Val], results: Results<'_>) -> Result<()> {
    let pair = [number(&mut store)?, number(&mut store)?].map(Val::U64);
    give(results, Val::Tuple(pair.to_vec()))
}

fn nanoseconds(store: StoreContextMut<'_, Guest>, _: &[Val], results: Results<'_>) -> Result<()> {
    give(results, Val::U64(store.data().call.now_ms.saturating_mul(1_000_000)))
}

fn one_millisecond(_: StoreContextMut<'_, Guest>, _: &[Val], results: Results<'_>) -> Result<()> {
    give(results, Val::U64(1_000_000))
}

fn instant(seconds: u64, nanoseconds: u32) -> Val {
    Val::Record(vec![("seconds".to_owned(), Val::U64(seconds)), ("nanoseconds".to_owned(), Val::U32(nanoseconds))])
}

fn date_time(store: StoreContextMut<'_, Guest>, _: &[Val], results: Results<'_>) -> Result<()> {
    let now_ms = store.data().call.now_ms;
    let nanoseconds = u32::try_from(now_ms % 1000).unwrap_or_default() * 1_000_000;
    give(results, instant(now_ms / 1000, nanoseconds))
}

fn wall_resolution(_: StoreContextMut<'_, Guest>, _: &[Val], results: Results<'_>) -> Result<()> {
    give(results, instant(0, 1_000_000))
}

fn nothing_listed(_: StoreContextMut<'_, Guest>, _: &[Val], results: Results<'_>) -> Result<()> {
    give(results, Val::List(Vec::new()))
}

fn none(_: StoreContextMut<'_, Guest>, _: &[Val], results: Results<'_>) -> Result<()> {
    give(results, Val::Option(None))
}

fn output(store: StoreContextMut<'_, Guest>, _: &[Val], results: Results<'_>) -> Result<()> {
    let output = Resource::<Handle>::new_own(0).try_into_resource_any(store)?;
    give(results, Val::Resource(output))
}

fn done(value: Option<Val>) -> Val {
    Val::Result(Ok(value.map(Box::new)))
}

fn writable(_: StoreContextMut<'_, Guest>, _: &[Val], results: Results<'_>) -> Result<()> {
    give(results, done(Some(Val::U64(4096))))
}

fn write(mut store: StoreContextMut<'_, Guest>, arguments: &[Val], results: Results<'_>) -> Result<()> {
    let Some(Val::List(bytes)) = arguments.get(1) else { return Err(Error::msg("nothing to print")) };
    let bytes: Vec<u8> = bytes.iter().filter_map(|byte| if let Val::U8(byte) = byte { Some(*byte) } else { None }).collect();
    store.data_mut().print(&bytes);
    give(results, done(None))
}

fn flushed(_: StoreContextMut<'_, Guest>, _: &[Val], results: Results<'_>) -> Result<()> {
    give(results, done(None))
}
