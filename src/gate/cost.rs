//! What an expression in CEL may cost: the interpreter has no limit, so each loop, copy and comparison is charged.
//!
//! The expression is rewritten before it runs: what a loop goes over, and what is copied or compared, passes through a
//! function that takes its weight from what is left, and fails when nothing is. An error inside of `exists` or `||` may
//! be absorbed; the loops that go on then were paid before, so the work stays bounded.

use std::cell::Cell;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedEntryExpr, LiteralValue, operators};
use cel::common::types::{CelInt, CelString, DYN_TYPE, INT_TYPE, Kind};
use cel::common::value::{CowVal, Val};
use cel::{Context, DeclarationError, Env, ExecutionError, IdedExpr, Value};

/// Steps of one evaluation: a second at most; a rule over all fields of a large object takes some thousands.
const MOST: u64 = 2_000_000;
/// Nodes in each other, charges included: the interpreter takes some 20 KiB of the stack for each.
const DEEPEST: usize = 64;
/// Steps of compiling a pattern.
const PATTERN: u64 = 2_000;
/// Bytes of a text that are one step.
const BYTES: u64 = 16;

/// No name that can be written in an expression.
const CHARGE: &str = "@charge";

thread_local! {
    /// The interpreter's functions are plain pointers, and it runs in one thread.
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// CEL's standard functions, and the one that charges.
///
/// # Errors
/// When the interpreter comes to have a function of that name.
pub(super) fn environment() -> Result<Env, DeclarationError> {
    let mut env = Env::stdlib();
    env.add_overload(CHARGE, "charge_dyn_int", vec![DYN_TYPE, INT_TYPE], charge)?;
    Ok(env)
}

/// Evaluates a rewritten expression.
///
/// # Errors
/// Why it cannot be evaluated; that it costs too much comes before what the interpreter says.
pub(super) fn evaluate(expression: &IdedExpr, context: &Context) -> Result<Value, String> {
    if depth(expression) > DEEPEST {
        return Err(
            "it takes too many steps: its calls and loops stand too deep in each other".to_owned(),
        );
    }
    LEFT.set(MOST);
    let result = context.resolve(expression);
    if LEFT.get() == 0 {
        return Err(format!(
            "it takes more than {MOST} steps: loops in loops, or texts and lists that grow"
        ));
    }
    result.map_err(|error| cut(&error))
}

/// The beginning of the interpreter's words, which may hold whole values.
fn cut(error: &ExecutionError) -> String {
    const LONGEST: usize = 500;
    struct Beginning(String);
    impl std::fmt::Write for Beginning {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            let left = LONGEST.saturating_sub(self.0.len());
            self.0.extend(text.chars().take(left));
            match left {
                0 => Err(std::fmt::Error),
                _ => Ok(()),
            }
        }
    }
    let mut beginning = Beginning(String::new());
    // Only the bound fails.
    let _ = std::fmt::write(&mut beginning, format_args!("{error}"));
    beginning.0
}

fn charge<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let mut arguments = arguments.into_iter();
    let (Some(value), Some(factor)) = (arguments.next(), arguments.next()) else {
        return Err(ExecutionError::function_error("charge", "two arguments"));
    };
    let factor = factor
        .downcast_ref::<CelInt>()
        .map_or(1, |factor| *factor.inner());
    let factor = u64::try_from(factor).unwrap_or(1);
    let mut left = LEFT.get() / factor.max(1);
    weigh(value.as_ref(), &mut left);
    LEFT.set(left.saturating_mul(factor.max(1)));
    match left {
        0 => Err(ExecutionError::function_error(
            "charge",
            "it takes too many steps",
        )),
        _ => Ok(value),
    }
}

/// Takes the value's parts, and its texts' bytes, from what is left; ends when nothing is.
fn weigh(value: &dyn Val, left: &mut u64) {
    let text = value
        .downcast_ref::<CelString>()
        .map_or(0, |text| text.inner().len());
    *left = left.saturating_sub(1 + text as u64 / BYTES);
    let is_map = matches!(value.get_type().kind(), Kind::Map);
    let Some(items) = value.as_iterable() else {
        return;
    };
    let mut items = items.iter();
    while let Some(item) = items.next() {
        if *left == 0 {
            return;
        }
        weigh(item, left);
        let entry = value.as_indexer().filter(|_| is_map);
        if let Some(Ok(entry)) = entry.map(|map| map.get(item)) {
            weigh(entry.as_ref(), left);
        }
    }
}

/// Operators that look at no more than the top of their operands; all others are charged for all of them.
const SHALLOW: [&str; 8] = [
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::CONDITIONAL,
    operators::INDEX,
    operators::OPT_INDEX,
    operators::OPT_SELECT,
    operators::NOT_STRICTLY_FALSE,
];

/// The expression with its charges.
pub(super) fn charged(expression: &IdedExpr) -> IdedExpr {
    let mut rewritten = expression.clone();
    rewrite(&mut rewritten);
    rewritten
}

fn rewrite(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Call(call) => rewrite_call(call),
        Expr::Comprehension(loops) => {
            let body = nodes(&loops.loop_step) + nodes(&loops.loop_cond);
            rewrite(&mut loops.iter_range);
            rewrite(&mut loops.accu_init);
            rewrite(&mut loops.loop_cond);
            rewrite(&mut loops.loop_step);
            rewrite(&mut loops.result);
            wrap(&mut loops.iter_range, body);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(whole),
        Expr::Map(map) => map.entries.iter_mut().for_each(rewrite_entry),
        Expr::Struct(it) => it.entries.iter_mut().for_each(rewrite_entry),
        Expr::Select(select) => rewrite(&mut select.operand),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => (),
    }
}

fn rewrite_entry(entry: &mut IdedEntryExpr) {
    match &mut entry.expr {
        EntryExpr::StructField(field) => whole(&mut field.value),
        EntryExpr::MapEntry(entry) => {
            rewrite(&mut entry.key);
            whole(&mut entry.value);
        }
    }
}

fn rewrite_call(call: &mut CallExpr) {
    let name = call.func_name.as_str();
    let is_whole = !SHALLOW.contains(&name);
    let is_pattern = name == "matches";
    let operands = call.target.as_deref_mut().into_iter().chain(&mut call.args);
    for operand in operands {
        // The list that a loop makes grows in place, as long as it is added to by its name.
        let is_accumulator = matches!(&operand.expr, Expr::Ident(name) if name.starts_with('@'));
        let factor = if is_pattern { pattern(operand) } else { 1 };
        rewrite(operand);
        if is_whole && !is_accumulator {
            wrap(operand, factor);
        }
    }
}

fn whole(expression: &mut IdedExpr) {
    rewrite(expression);
    wrap(expression, 1);
}

/// What a pattern costs: counted repetitions in each other multiply it.
fn pattern(expression: &IdedExpr) -> u64 {
    let Expr::Literal(LiteralValue::String(text)) = &expression.expr else {
        return PATTERN;
    };
    let counts = text.inner().split(|c: char| !c.is_ascii_digit());
    let counts = counts.filter_map(|digits| digits.parse::<u64>().ok());
    let product = counts.fold(1, |product: u64, count| {
        product.saturating_mul(count.max(1))
    });
    PATTERN.saturating_add(product).min(MOST)
}

fn wrap(expression: &mut IdedExpr, factor: u64) {
    let id = expression.id;
    let value = std::mem::take(expression);
    let factor = i64::try_from(factor).unwrap_or(i64::MAX);
    let factor = IdedExpr {
        id,
        expr: Expr::Literal(LiteralValue::Int(factor.into())),
    };
    *expression = IdedExpr {
        id,
        expr: Expr::Call(CallExpr {
            func_name: CHARGE.to_owned(),
            target: None,
            args: vec![value, factor],
        }),
    };
}

/// Nodes in each other.
fn depth(expression: &IdedExpr) -> usize {
    let most = |expressions: &[IdedExpr]| expressions.iter().map(depth).max().unwrap_or_default();
    let of_entries = |entries: &[IdedEntryExpr]| {
        let values = entries.iter().map(|entry| match &entry.expr {
            EntryExpr::StructField(field) => depth(&field.value),
            EntryExpr::MapEntry(entry) => depth(&entry.key).max(depth(&entry.value)),
        });
        values.max().unwrap_or_default()
    };
    1 + match &expression.expr {
        Expr::Call(call) => call
            .target
            .as_deref()
            .map_or(0, depth)
            .max(most(&call.args)),
        Expr::Comprehension(loops) => {
            let parts = [&loops.iter_range, &loops.loop_step, &loops.result];
            parts.into_iter().map(depth).max().unwrap_or_default()
        }
        Expr::List(list) => most(&list.elements),
        Expr::Map(map) => of_entries(&map.entries),
        Expr::Struct(it) => of_entries(&it.entries),
        Expr::Select(select) => depth(&select.operand),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => 0,
    }
}

/// Nodes of an expression, each of which a turn of a loop may evaluate.
fn nodes(expression: &IdedExpr) -> u64 {
    let all = |expressions: &[IdedExpr]| expressions.iter().map(nodes).sum::<u64>();
    1 + match &expression.expr {
        Expr::Call(call) => call.target.as_deref().map_or(0, nodes) + all(&call.args),
        Expr::Comprehension(loops) => {
            nodes(&loops.iter_range) + nodes(&loops.loop_step) + nodes(&loops.result)
        }
        Expr::List(list) => all(&list.elements),
        Expr::Map(map) => map.entries.len() as u64 * 2,
        Expr::Struct(it) => it.entries.len() as u64 * 2,
        Expr::Select(select) => nodes(&select.operand),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn run(expression: &str) -> Result<Value, String> {
        let env = Arc::new(environment().expect("no function of that name"));
        let mut context = Context::with_env(Arc::clone(&env));
        let numbers: Vec<i64> = (0..200).collect();
        context.add_variable_from_value("l", numbers);
        context.add_variable_from_value("s", "x".repeat(1_000));
        let program = crate::stack::expression::compile(expression).expect("it compiles");
        evaluate(&charged(program.expression()), &context)
    }

    #[test]
    fn what_is_usual_runs_as_before() {
        for (expression, expected) in [
            ("l.all(x, x < 200) && l.exists(x, x == 7)", true),
            ("l.exists_one(x, x == 7)", true),
            ("l.all(x, l.exists(y, y == x))", true),
            ("l.map(x, x * 2).filter(x, x > 10).size() == 194", true),
            ("has({'a': 1}.a) && 'a' in {'a': 1} && 3 in l", true),
            ("s.matches('^x+$') && (s + s).size() == 2000", true),
            (
                "'abc'.matches('^[a-z0-9]{1,63}$') ? [1, 2] == [1, 2] : false",
                true,
            ),
            ("l[3] + 1 == 5 || {'k': [1]}['k'][0] == 2", false),
        ] {
            assert_eq!(run(expression), Ok(expected.into()), "{expression}");
        }
    }

    #[test]
    fn what_has_no_end_ends() {
        let doubled = |start: &str, step: &str| format!("{start}{}.size() > 0", step.repeat(16));
        for expression in [
            "l.all(a, l.all(b, l.all(c, l.all(d, a + b + c + d >= 0))))".to_owned(),
            // Errors that are absorbed end nothing by themselves.
            "l.exists(a, l.exists(b, l.exists(c, l.exists(d, a / 0 > b + c + d))))".to_owned(),
            "l.map(a, l.map(b, l.map(c, [a, b, c]))).size() > 0".to_owned(),
            doubled("[s]", ".map(x, x + x)"),
            doubled("[l]", ".map(x, x + x)"),
            doubled("[s]", ".map(x, [x, x])"),
            doubled("[s]", ".map(x, {'a': x, 'b': x})"),
            format!("[s]{}.size() > 0", ".map(x, x + x)".repeat(60)),
            "l.all(x, l.all(y, s.matches('(a{1000}){1000}')))".to_owned(),
            "l.all(x, l.all(y, s.contains(s + 'y') == false && s == s))".to_owned(),
        ] {
            let refused = run(&expression).expect_err(&expression);
            assert!(refused.contains("steps"), "{expression}: {refused}");
        }
    }

    #[test]
    fn an_error_is_as_long_as_a_line() {
        let refused = run("[s, s, s, s] + 1 == 2").expect_err("no sum");
        assert!(refused.len() <= 2_000, "{}", refused.len());
    }
}
