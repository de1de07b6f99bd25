//! Takes out of the console's wasm what it can never call.
//!
//! Every erased view of the framework keeps a pointer to its `hydrate_async`, a sixth of all code, which only a page that
//! comes to life lazily would call; ours calls `hydrate_body`. The linker cannot know that, we do. Only state machines of
//! some size are emptied: small functions may be shared with others that happen to have the same body.
//!
//! If one were called after all, the page would stop with a trap instead of doing something else; the browser tests run
//! against a released console with `OPSCENTER_BIN_DIR=target/release`.

use anyhow::{Context as _, anyhow};
use walrus::{FunctionBuilder, FunctionKind, Module};

const NEVER_CALLED: &str = "hydrate_async";
/// Instructions; beyond, two functions are not the same by accident.
const SHARED_AT_MOST: u64 = 60;

/// The same module without the code that is never called.
pub fn slim(wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut module = Module::from_buffer(wasm)
        .map_err(|error| anyhow!(error))
        .context("the console's wasm cannot be read")?;
    let never: Vec<_> = module
        .funcs
        .iter_local()
        .filter(|(id, function)| {
            let name = module.funcs.get(*id).name.as_deref().unwrap_or("");
            name.contains(NEVER_CALLED)
                && !name.contains("drop_in_place")
                && function.size() > SHARED_AT_MOST
        })
        .map(|(id, function)| (id, function.ty()))
        .collect();
    for (id, kind) in never {
        let (params, results) = module.types.params_results(kind);
        let (params, results) = (params.to_vec(), results.to_vec());
        let arguments = params.iter().map(|kind| module.locals.add(*kind)).collect();
        let mut builder = FunctionBuilder::new(&mut module.types, &params, &results);
        builder.func_body().unreachable();
        module.funcs.get_mut(id).kind = FunctionKind::Local(builder.local_func(arguments));
    }
    walrus::passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with an exported function that adds and subtracts so often.
    fn module(name: &str, turns: usize) -> Vec<u8> {
        let mut module = Module::default();
        let mut builder = FunctionBuilder::new(&mut module.types, &[], &[walrus::ValType::I32]);
        builder.name(name.to_owned());
        let mut body = builder.func_body();
        body.i32_const(7);
        for _ in 0..turns {
            body.i32_const(1).binop(walrus::ir::BinaryOp::I32Add);
        }
        let id = builder.finish(Vec::new(), &mut module.funcs);
        module.exports.add("run", id);
        module.emit_wasm()
    }

    #[test]
    fn only_large_functions_of_that_name_are_emptied() {
        for (name, turns, shrinks) in [
            ("view..hydrate_async..closure", 200, true),
            ("view..hydrate_async..closure", 5, false),
            ("drop_in_place..hydrate_async..closure", 200, false),
            ("view..hydrate..closure", 200, false),
        ] {
            let before = module(name, turns);
            let after = slim(&before).unwrap();
            assert_eq!(after.len() < before.len() / 2, shrinks, "{name} {turns}");
            Module::from_buffer(&after).unwrap();
        }
        assert!(slim(b"not wasm").is_err());
    }
}
