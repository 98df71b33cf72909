//! What a shader does, as far as its constants decide it. Two texts with the same code compute the same.
//!
//! A variant is one text with constants of its own: branches that they close, functions that are empty or constant for them, arguments
//! that nobody looks at and values that nobody uses are no part of the code. What is left is a hash of the statements that can be
//! reached, in order. It tells apart what an optimiser would find to be equal, never the other way round, for texts of which one is the
//! other with one change of [`operators`](crate::operators): none of those moves a statement.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use naga::{Arena, BinaryOperator, Block, Expression, Handle, Literal, LocalVariable, Module, Statement, UnaryOperator};

/// The code of a text.
///
/// # Errors
/// If it is no WGSL.
pub fn code(text: &str) -> Result<u64, String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|error| error.message().to_owned())?;
    let mut functions: Vec<Code> = Vec::new();
    // Who is called comes before who calls.
    for (_, function) in module.functions.iter() {
        let code = Walk::new(&module, &functions, function).code();
        functions.push(code);
    }
    let entries = module.entry_points.iter().map(|entry| Walk::new(&module, &functions, &entry.function).code().hash);
    Ok(hash(&entries.collect::<Vec<_>>()))
}

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The statement that returns a value.
fn returning(value: Option<Value>) -> u64 {
    hash(&("return", value.map(|value| value.hash)))
}

/// What is known of a value.
#[derive(Clone, Copy)]
struct Value {
    hash: u64,
    constant: Option<Constant>,
}

#[derive(Clone, Copy, PartialEq)]
enum Constant {
    Truth(bool),
    Number(u32),
    Other,
}

impl Value {
    /// One that is not known before the shader runs.
    fn new(of: &(impl Hash + ?Sized)) -> Self {
        Self { hash: hash(of), constant: None }
    }

    fn literal(literal: Literal) -> Self {
        let constant = match literal {
            Literal::Bool(truth) => Constant::Truth(truth),
            Literal::U32(number) => Constant::Number(number),
            _ => Constant::Other,
        };
        Self { hash: hash(&format!("{literal:?}")), constant: Some(constant) }
    }

    fn truth(self) -> Option<bool> {
        if let Some(Constant::Truth(truth)) = self.constant { Some(truth) } else { None }
    }

    fn is(self, number: u32) -> bool {
        self.constant == Some(Constant::Number(number))
    }
}

/// Whether an operator leaves what is on its left as it is. Only of whole numbers: 0 is added to no float for nothing.
fn does_nothing(op: BinaryOperator, right: Value) -> bool {
    match op {
        BinaryOperator::Multiply | BinaryOperator::Divide => right.is(1),
        BinaryOperator::Add | BinaryOperator::Subtract => right.is(0),
        BinaryOperator::InclusiveOr | BinaryOperator::ExclusiveOr => right.is(0),
        BinaryOperator::ShiftLeft | BinaryOperator::ShiftRight => right.is(0),
        _ => false,
    }
}

/// A function.
struct Code {
    hash: u64,
    /// Whether it does anything beside what it returns.
    acts: bool,
    /// What it returns, if that is always the same.
    constant: Option<Value>,
    /// Whether it looks at each argument.
    looks_at: Vec<bool>,
}

/// A walk over what can be reached of a function.
struct Walk<'a> {
    module: &'a Module,
    functions: &'a [Code],
    function: &'a naga::Function,
    known: HashMap<Handle<Expression>, Value>,
    /// What the unnamed variables hold of which constants choose the only assignment: those of `&&` and `||`.
    chosen: HashMap<Handle<LocalVariable>, Value>,
    looks_at: Vec<bool>,
    acts: bool,
    returned: Option<Value>,
}

impl<'a> Walk<'a> {
    fn new(module: &'a Module, functions: &'a [Code], function: &'a naga::Function) -> Self {
        let looks_at = vec![false; function.arguments.len()];
        let (known, chosen) = (HashMap::new(), HashMap::new());
        Self { module, functions, function, known, chosen, looks_at, acts: false, returned: None }
    }

    fn code(mut self) -> Code {
        let (reached, _) = self.block(&self.function.body);
        let nothing_but = |value: &Value| reached == [returning(Some(*value))];
        let constant = self.returned.filter(|value| value.constant.is_some() && nothing_but(value));
        Code { hash: hash(&reached), acts: self.acts, constant, looks_at: self.looks_at }
    }

    /// The statements of a block that can be reached, and whether one of them leaves it.
    fn block(&mut self, block: &'a Block) -> (Vec<u64>, bool) {
        let mut reached = Vec::new();
        for statement in block {
            if self.statement(statement, &mut reached) {
                return (reached, true);
            }
        }
        (reached, false)
    }

    fn statement(&mut self, statement: &'a Statement, reached: &mut Vec<u64>) -> bool {
        match statement {
            // A value is looked at by who uses it.
            Statement::Emit(_) => {}
            Statement::Block(block) => {
                let (inner, leaves) = self.block(block);
                reached.extend(inner);
                return leaves;
            }
            Statement::If { condition, accept, reject } => {
                let condition = self.value(*condition);
                if let Some(truth) = condition.truth() {
                    let taken = if truth { accept } else { reject };
                    let (inner, leaves) = self.block(taken);
                    if let Some((variable, value)) = self.only_assignment(taken) {
                        self.chosen.insert(variable, value);
                    } else {
                        reached.extend(inner);
                    }
                    return leaves;
                }
                let (accept, accept_leaves) = self.block(accept);
                let (reject, reject_leaves) = self.block(reject);
                if accept != reject {
                    reached.push(hash(&("if", condition.hash, accept, reject)));
                } else {
                    reached.extend(accept);
                }
                return accept_leaves && reject_leaves;
            }
            Statement::Switch { selector, cases } => {
                let selector = self.value(*selector).hash;
                let cases = cases.iter().map(|case| (format!("{:?}", case.value), case.fall_through, self.block(&case.body).0));
                reached.push(hash(&("switch", selector, cases.collect::<Vec<_>>())));
            }
            Statement::Loop { body, continuing, break_if } => {
                let (body, _) = self.block(body);
                let (continuing, _) = self.block(continuing);
                let break_if = break_if.map(|condition| self.value(condition).hash);
                // It may not end.
                self.acts = true;
                reached.push(hash(&("loop", body, continuing, break_if)));
            }
            Statement::Break | Statement::Continue | Statement::Kill => {
                reached.push(hash(&format!("{statement:?}")));
                return true;
            }
            Statement::Return { value } => {
                let value = value.map(|value| self.value(value));
                self.returned = value;
                reached.push(returning(value));
                return true;
            }
            Statement::ControlBarrier(barrier) | Statement::MemoryBarrier(barrier) => {
                self.acts = true;
                let is_control = matches!(statement, Statement::ControlBarrier(_));
                reached.push(hash(&("barrier", is_control, format!("{barrier:?}"))));
            }
            Statement::Store { pointer, value } => {
                self.acts |= !self.is_local(*pointer);
                reached.push(hash(&("store", self.value(*pointer).hash, self.value(*value).hash)));
            }
            Statement::WorkGroupUniformLoad { pointer, result } => {
                self.acts = true;
                let loaded = Value::new(&("uniform load", self.value(*pointer).hash));
                self.known.insert(*result, loaded);
                reached.push(loaded.hash);
            }
            Statement::Call { function, arguments, result } => {
                let called = &self.functions[function.index()];
                let value = called.constant.filter(|_| !called.acts).unwrap_or_else(|| {
                    let looked_at = arguments.iter().zip(&called.looks_at).filter(|(_, looks)| **looks);
                    let arguments: Vec<u64> = looked_at.map(|(argument, _)| self.value(*argument).hash).collect();
                    Value::new(&("call", called.hash, arguments))
                });
                if called.acts {
                    self.acts = true;
                    reached.push(value.hash);
                }
                if let Some(result) = result {
                    self.known.insert(*result, value);
                }
            }
            // None of them is in a shader of the library.
            other => panic!("{other:?}"),
        }
        false
    }

    /// The variable of `&&` or `||`, and what it holds, if a block is the side of it that constants choose.
    fn only_assignment(&mut self, block: &'a Block) -> Option<(Handle<LocalVariable>, Value)> {
        let (Statement::Store { pointer, value }, before) = block.split_last()? else { return None };
        let Expression::LocalVariable(variable) = self.function.expressions[*pointer] else { return None };
        let is_unnamed = self.function.local_variables[variable].name.is_none();
        let is_alone = before.iter().all(|statement| matches!(statement, Statement::Emit(_)));
        let value = self.value(*value);
        (is_unnamed && is_alone && value.constant.is_some()).then_some((variable, value))
    }

    fn is_local(&self, pointer: Handle<Expression>) -> bool {
        match self.function.expressions[pointer] {
            Expression::LocalVariable(_) => true,
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => self.is_local(base),
            _ => false,
        }
    }

    fn value(&mut self, expression: Handle<Expression>) -> Value {
        if let Some(value) = self.known.get(&expression) {
            return *value;
        }
        let value = match self.function.expressions[expression] {
            Expression::FunctionArgument(number) => {
                self.looks_at[number as usize] = true;
                Value::new(&("argument", number))
            }
            Expression::LocalVariable(variable) => {
                let init = self.function.local_variables[variable].init.map(|init| self.value(init).hash);
                Value::new(&("variable", variable.index(), init))
            }
            Expression::Load { pointer } => match self.function.expressions[pointer] {
                Expression::LocalVariable(variable) if self.chosen.contains_key(&variable) => self.chosen[&variable],
                _ => Value::new(&("load", self.value(pointer).hash)),
            },
            Expression::Select { condition, accept, reject } => match self.value(condition).truth() {
                Some(true) => self.value(accept),
                Some(false) => self.value(reject),
                None => self.composed(&self.function.expressions, expression),
            },
            _ => self.composed(&self.function.expressions, expression),
        };
        self.known.insert(expression, value);
        value
    }

    /// A value that is made of others.
    fn composed(&mut self, expressions: &'a Arena<Expression>, expression: Handle<Expression>) -> Value {
        let is_global = std::ptr::eq(expressions, &self.module.global_expressions);
        let mut of = |part: Handle<Expression>| {
            if is_global { self.composed(expressions, part) } else { self.value(part) }
        };
        let (kind, parts) = match &expressions[expression] {
            Expression::Literal(literal) => return Value::literal(*literal),
            Expression::Constant(constant) => {
                let init = self.module.constants[*constant].init;
                return self.composed(&self.module.global_expressions, init);
            }
            Expression::ZeroValue(ty) => {
                return Value { constant: Some(Constant::Other), ..Value::new(&("zero", ty.index())) };
            }
            Expression::GlobalVariable(variable) => return Value::new(&("global", variable.index())),
            Expression::Compose { ty, components } => {
                (format!("compose {}", ty.index()), components.iter().map(|&part| of(part)).collect())
            }
            Expression::Access { base, index } => ("access".to_owned(), vec![of(*base), of(*index)]),
            Expression::AccessIndex { base, index } => (format!("access {index}"), vec![of(*base)]),
            Expression::Splat { size, value } => (format!("splat {size:?}"), vec![of(*value)]),
            Expression::Swizzle { size, vector, pattern } => {
                (format!("swizzle {:?}", &pattern[..*size as usize]), vec![of(*vector)])
            }
            Expression::Unary { op, expr } => {
                let value = of(*expr);
                if let (UnaryOperator::LogicalNot, Some(truth)) = (op, value.truth()) {
                    return Value::literal(Literal::Bool(!truth));
                }
                (format!("{op:?}"), vec![value])
            }
            Expression::Binary { op, left, right } => {
                let (left, right) = (of(*left), of(*right));
                if does_nothing(*op, right) {
                    return left;
                }
                (format!("{op:?}"), vec![left, right])
            }
            Expression::Select { condition, accept, reject } => {
                ("select".to_owned(), vec![of(*condition), of(*accept), of(*reject)])
            }
            Expression::Relational { fun, argument } => (format!("{fun:?}"), vec![of(*argument)]),
            Expression::Math { fun, arg, arg1, arg2, arg3 } => {
                let parts = [Some(arg), arg1.as_ref(), arg2.as_ref(), arg3.as_ref()];
                (format!("{fun:?}"), parts.into_iter().flatten().map(|&part| of(part)).collect())
            }
            Expression::As { expr, kind, convert } => (format!("as {kind:?} {convert:?}"), vec![of(*expr)]),
            Expression::ArrayLength(array) => ("length".to_owned(), vec![of(*array)]),
            // None of them is in a shader of the library, and results of calls are known when they are used.
            other => panic!("{other:?}"),
        };
        let hashes: Vec<u64> = parts.iter().map(|part: &Value| part.hash).collect();
        let constant = parts.iter().all(|part| part.constant.is_some()).then_some(Constant::Other);
        Value { constant, ..Value::new(&(kind, hashes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(body: &str, other: &str) -> bool {
        let whole = |body: &str| {
            code(&format!(
                "const YES = true; const NO = false; const ONE = 1u; const TWO = 2u;
@group(0) @binding(0) var<storage, read_write> to: array<u32>;
fn nothing(at: u32, value: u32) {{}}
fn three(at: u32) -> u32 {{ return 3u; }}
fn first(one: u32, other: u32) -> u32 {{ return one; }}
fn chosen(at: u32) -> u32 {{ if at > 1u {{ return 3u; }} else {{ return 4u; }} }}
fn loaded(at: u32) -> u32 {{ return to[at]; }}
fn stored(at: u32, value: u32) {{ to[at] = value; }}
@compute @workgroup_size(1) fn main(@builtin(local_invocation_index) at: u32) {{ {body} }}"
            ))
            .expect("a shader")
        };
        assert_eq!(whole(body), whole(body));
        whole(body) == whole(other)
    }

    #[test]
    fn what_cannot_be_reached_is_no_code() {
        assert!(same("if NO { to[at] = 1u; }", "if NO { to[at] = 2u; }"));
        assert!(same("if YES { to[at] = 1u; } else { to[0] = 1u; }", "to[at] = 1u;"));
        assert!(same("if TWO > 1u { to[at] = 1u; }", "if true { to[at] = 1u; }"));
        assert!(same("if YES { return; } to[at] = 1u;", "return;"));
        assert!(same("if NO && at > 1u { to[at] = 1u; }", "if NO && at > 2u { to[at] = 3u; }"));
        assert!(same("if YES || at > 1u { to[at] = 1u; }", "if YES || at > 2u { to[at] = 1u; }"));
        assert!(same("to[at / ONE] = at;", "to[at * ONE] = at;"));
        assert!(same("to[at + (ONE - 1u)] = at;", "to[at - (ONE - 1u)] = at;"));
        assert!(same("to[at] = select(loaded(1u), 4u, YES);", "to[at] = select(loaded(2u), 4u, YES);"));
    }

    #[test]
    fn what_nobody_uses_is_no_code() {
        assert!(same("let a = to[at]; to[0] = 1u;", "let a = to[at + 1u]; to[0] = 1u;"));
        assert!(same("nothing(at, 1u);", "nothing(at + 1u, 2u);"));
        assert!(same("to[at] = three(at);", "to[at] = three(at + 1u);"));
        assert!(same("to[at] = first(1u, at);", "to[at] = first(1u, at + 1u);"));
        assert!(same("if at > 1u { nothing(at, 1u); }", "if at > 2u { nothing(at, 1u); }"));
    }

    #[test]
    fn what_differs_is_told_apart() {
        for (one, other) in [
            ("to[at] = 1u;", "to[at] = 2u;"),
            ("to[at] = 1u;", "to[at + 1u] = 1u;"),
            ("to[at] = 1u;", ""),
            ("if at > 1u { to[at] = 1u; }", "if at >= 1u { to[at] = 1u; }"),
            ("if at > 1u { to[at] = 1u; }", "if true { to[at] = 1u; }"),
            ("if at > 1u { to[at] = 1u; }", "if false { to[at] = 1u; }"),
            ("if YES && at > 1u { to[at] = 1u; }", "if YES && at > 2u { to[at] = 1u; }"),
            ("if at > 1u && YES { to[at] = 1u; }", "if at > 1u || YES { to[at] = 1u; }"),
            ("if at > 1u { return; } to[at] = 1u;", "if at > 2u { return; } to[at] = 1u;"),
            ("to[at / TWO] = at;", "to[at * TWO] = at;"),
            ("to[at * ONE] = at;", "to[at % ONE] = at;"),
            ("to[at] = loaded(at);", "to[at] = loaded(at + 1u);"),
            ("to[at] = three(at);", "to[at] = first(4u, at);"),
            ("to[at] = chosen(at);", "to[at] = chosen(at + 1u);"),
            ("to[at] = chosen(at);", "to[at] = 4u;"),
            ("to[at] = first(1u, at);", "to[at] = first(2u, at);"),
            ("stored(at, 1u);", "stored(at, 2u);"),
            ("stored(at, 1u);", ""),
            ("to[at] = select(1u, 2u, at > 1u);", "to[at] = select(2u, 1u, at > 1u);"),
            ("to[at] = min(at, 7u);", "to[at] = max(at, 7u);"),
            ("to[at] = u32(i32(at) >> 1u);", "to[at] = at >> 1u;"),
            ("var a = 1u; if at > 1u { a = 2u; } to[at] = a;", "var a = 1u; to[at] = a;"),
            ("var a = 1u; to[at] = a;", "var a = 2u; to[at] = a;"),
            ("for (var i = 0u; i < at; i++) { to[i] = i; }", "for (var i = 0u; i < at; i++) { to[i] = at; }"),
            ("for (var i = 0u; i < at; i++) { to[i] = i; }", "for (var i = 0u; i <= at; i++) { to[i] = i; }"),
            ("workgroupBarrier(); to[at] = 1u;", "to[at] = 1u;"),
            ("workgroupBarrier();", "storageBarrier();"),
            ("let v = vec2(at, 1u); to[at] = v.x;", "let v = vec2(at, 1u); to[at] = v.y;"),
            ("let v = vec2(at, 1u); to[at] = v.yx.x;", "let v = vec2(at, 1u); to[at] = v.xy.x;"),
        ] {
            assert!(!same(one, other), "{one} and {other}");
        }
    }
}
