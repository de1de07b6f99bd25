//! Takes out of the console's wasm what it can never call.
//!
//! Every erased view of the framework keeps a pointer to its `hydrate_async`, a sixth of all code, which only a page that
//! comes to life lazily would call; ours calls `hydrate_body`. The linker cannot know that, we do. Emptied are the state
//! machines of that name, if they have some size and are called by nothing but each other: what several functions have
//! in common, the compiler keeps once, under the name of any of them.
//!
//! If one were called after all, the page would stop with a trap instead of doing something else; the browser tests run
//! against a released console with `OPSCENTER_BIN_DIR=target/release`.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use walrus::ir::{Call, ReturnCall, Visitor, dfs_in_order};
use walrus::{ElementItems, FunctionBuilder, FunctionId, FunctionKind, LocalFunction, Module};

const NEVER_CALLED: &str = "hydrate_async";
/// As the compiler writes `{{closure}}`, the body of a future.
const FUTURE: &str = "28_$u7b$$u7b$closure$u7d$$u7d$";
/// And what stands before the 16 digits that end a name.
const HASH: &str = "17h";
/// Instructions; beyond, two futures are not the same by accident.
const FUTURE_SHARED_AT_MOST: u64 = 60;
/// The same of functions, which name the future that they make.
const SHARED_AT_MOST: u64 = 20;

/// The same module without the code that is never called.
pub fn slim(wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut module = Module::from_buffer(wasm)
        .map_err(|error| anyhow!(error))
        .context("the console's wasm cannot be read")?;
    let never = never_called(&module);
    // In the tables, one trap for each type stands for all; what is then nobody's goes below.
    let mut traps: BTreeMap<walrus::TypeId, FunctionId> = BTreeMap::new();
    for (id, kind) in &never {
        let trap = trap(&mut module, *kind);
        module.funcs.get_mut(*id).kind = FunctionKind::Local(trap);
        traps.entry(*kind).or_insert(*id);
    }
    for element in module.elements.iter_mut() {
        if let ElementItems::Functions(functions) = &mut element.items {
            for function in functions {
                if let Some(trap) = never.get(function).and_then(|kind| traps.get(kind)) {
                    *function = *trap;
                }
            }
        }
    }
    walrus::passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}

/// A body of this type that ends the program.
fn trap(module: &mut Module, kind: walrus::TypeId) -> LocalFunction {
    let (params, results) = module.types.params_results(kind);
    let (params, results) = (params.to_vec(), results.to_vec());
    let arguments = params.iter().map(|kind| module.locals.add(*kind)).collect();
    let mut builder = FunctionBuilder::new(&mut module.types, &params, &results);
    builder.func_body().unreachable();
    builder.local_func(arguments)
}

/// What can be emptied, with its type.
fn never_called(module: &Module) -> BTreeMap<FunctionId, walrus::TypeId> {
    let mut never: BTreeMap<FunctionId, walrus::TypeId> = module
        .funcs
        .iter_local()
        .filter(|(id, function)| {
            let name = module.funcs.get(*id).name.as_deref().unwrap_or("");
            state_machine(name).is_some_and(|shared_at_most| function.size() > shared_at_most)
        })
        .map(|(id, function)| (id, function.ty()))
        .collect();
    let calls: Vec<(FunctionId, Vec<FunctionId>)> = module
        .funcs
        .iter_local()
        .map(|(id, function)| (id, calls(function)))
        .collect();
    // One that stays may call others, which then have to stay as well.
    loop {
        let before = never.len();
        for (id, called) in &calls {
            if !never.contains_key(id) {
                for called in called {
                    never.remove(called);
                }
            }
        }
        if never.len() == before {
            break;
        }
    }
    never
}

/// Is it the function, or the body of its future, and not something that they use? Then, up to which size others may be
/// the same.
fn state_machine(name: &str) -> Option<u64> {
    let (_, after) = name.rsplit_once(NEVER_CALLED)?;
    let (after, shared_at_most) = match after.strip_prefix(FUTURE) {
        Some(after) => (after, FUTURE_SHARED_AT_MOST),
        None => (after, SHARED_AT_MOST),
    };
    let hash = after.strip_prefix(HASH)?;
    let is_hash = hash.bytes().take(16).all(|digit| digit.is_ascii_hexdigit());
    (is_hash && hash.get(16..17) == Some("E")).then_some(shared_at_most)
}

/// What it calls by name.
fn calls(function: &LocalFunction) -> Vec<FunctionId> {
    struct Calls(Vec<FunctionId>);
    impl<'a> Visitor<'a> for Calls {
        fn visit_call(&mut self, call: &Call) {
            self.0.push(call.func);
        }
        fn visit_return_call(&mut self, call: &ReturnCall) {
            self.0.push(call.func);
        }
    }
    let mut found = Calls(Vec::new());
    dfs_in_order(&mut found, function, function.entry_block());
    found.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: &str = "_ZN4view13hydrate_async28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE";

    /// A module with an exported function that adds so often, and, if wanted, another that calls it.
    fn module(name: &str, turns: usize, caller: Option<&str>) -> Vec<u8> {
        let mut module = Module::default();
        let result = [walrus::ValType::I32];
        let mut builder = FunctionBuilder::new(&mut module.types, &[], &result);
        builder.name(name.to_owned());
        let mut body = builder.func_body();
        body.i32_const(7);
        for _ in 0..turns {
            body.i32_const(1).binop(walrus::ir::BinaryOp::I32Add);
        }
        let id = builder.finish(Vec::new(), &mut module.funcs);
        module.exports.add("run", id);
        if let Some(caller) = caller {
            let mut builder = FunctionBuilder::new(&mut module.types, &[], &result);
            builder.name(caller.to_owned());
            builder.func_body().call(id);
            let caller = builder.finish(Vec::new(), &mut module.funcs);
            module.exports.add("caller", caller);
        }
        module.emit_wasm()
    }

    #[test]
    fn only_large_state_machines_that_nothing_else_calls_are_emptied() {
        let named = |middle: &str| format!("_ZN4view13hydrate_async{middle}17h0123456789abcdefE");
        for (name, turns, caller, shrinks) in [
            (POLL.to_owned(), 200, None, true),
            (named(""), 200, None, true),
            (POLL.to_owned(), 5, None, false),
            // What the compiler may have found elsewhere as well, and keeps once.
            (named(&format!("{FUTURE}7inner_1")), 200, None, false),
            (named(&format!("{FUTURE}{FUTURE}")), 200, None, false),
            (
                format!(
                    "_ZN4core3ptr13drop_in_place$LT$view..hydrate_async..$u7b$$u7b$closure$u7d$$u7d$$GT${HASH}0123456789abcdefE"
                ),
                200,
                None,
                false,
            ),
            (
                "_ZN4view7hydrate17h0123456789abcdefE".to_owned(),
                200,
                None,
                false,
            ),
            (
                POLL.to_owned(),
                200,
                Some("_ZN4view7hydrate17h0123456789abcdefE"),
                false,
            ),
        ] {
            let before = module(&name, turns, caller);
            let after = slim(&before).unwrap();
            assert_eq!(
                after.len() < before.len() / 2,
                shrinks,
                "{name} {turns} {caller:?}"
            );
            Module::from_buffer(&after).unwrap();
        }
        assert!(slim(b"not wasm").is_err());
    }
}
