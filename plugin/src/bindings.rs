//! What `wit/symbolon.wit` comes to in Rust. The worlds share the types of their interfaces.

#[expect(clippy::too_many_arguments, reason = "the form of what is generated")]
pub mod method {
    wasmtime::component::bindgen!({ path: "wit", world: "method", imports: { default: trappable }, additional_derives: [PartialEq] });
}

pub mod decision {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "decision",
        imports: { default: trappable }, additional_derives: [PartialEq],
        with: { "symbolon:plugin/host@0.2.0": super::method::symbolon::plugin::host },
    });
}

pub mod evidence {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "evidence",
        imports: { default: trappable }, additional_derives: [PartialEq],
        with: {
            "symbolon:plugin/host@0.2.0": super::method::symbolon::plugin::host,
            "symbolon:plugin/login@0.2.0": super::method::symbolon::plugin::login,
        },
    });
}

pub mod claims {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "claims",
        imports: { default: trappable }, additional_derives: [PartialEq],
        with: {
            "symbolon:plugin/host@0.2.0": super::method::symbolon::plugin::host,
            "symbolon:plugin/login@0.2.0": super::method::symbolon::plugin::login,
        },
    });
}
