//! Reads a query for Prometheus and finds parts that can never have a result: metrics and labels that no process exports, values that
//! never occur, and sides of an operator that share no labels.

use std::collections::BTreeSet;

use promql_parser::{
    label::{MatchOp, Matcher},
    parser::{
        self, AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality, VectorSelector,
        value::ValueType,
    },
};

use super::catalogue::Catalogue;

type Names = BTreeSet<String>;

/// Parses an expression.
pub(crate) fn parse(query: &str) -> Expr {
    parser::parse(query).unwrap_or_else(|error| panic!("{error} in {query}"))
}

/// The labels that the answer to a query can have. Fails if the query names a metric or label that does not exist.
pub(crate) fn check(query: &str, catalogue: &Catalogue) -> Names {
    Check { query, catalogue }.labels(&parse(query))
}

struct Check<'c> {
    query: &'c str,
    catalogue: &'c Catalogue,
}

impl Check<'_> {
    fn labels(&self, expr: &Expr) -> Names {
        match expr {
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Names::new(),
            Expr::Paren(inner) => self.labels(&inner.expr),
            Expr::Unary(inner) => self.labels(&inner.expr),
            Expr::Subquery(inner) => self.labels(&inner.expr),
            Expr::VectorSelector(selector) => self.selector(selector),
            Expr::MatrixSelector(selector) => self.selector(&selector.vs),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Binary(binary) => self.binary(binary),
            Expr::Call(call) => self.call(call),
            Expr::Extension(_) => panic!("no PromQL: {}", self.query),
        }
    }

    fn all_of(&self, wanted: &[String], there: &Names) {
        for label in wanted {
            assert!(there.contains(label), "nothing has the label {label} there, in {}", self.query);
        }
    }

    fn selector(&self, selector: &VectorSelector) -> Names {
        let name =
            selector.name.as_deref().unwrap_or_else(|| panic!("a nameless selector in {}", self.query));
        let Some(labels) = self.catalogue.labels(name) else {
            panic!("nobody exports {name}, which is asked for in {}", self.query);
        };
        for matcher in &selector.matchers.matchers {
            let Some(values) = labels.get(&matcher.name) else {
                panic!("{name} has no label {}, in {}", matcher.name, self.query);
            };
            // An absent label is the empty text.
            for wanted in
                values.iter().flat_map(|_| alternatives(matcher)).filter(|wanted| !wanted.value.is_empty())
            {
                let known = values.iter().flatten().any(|value| wanted.is_match(value));
                assert!(known, "{} of {name} is never {}, in {}", matcher.name, wanted.value, self.query);
            }
        }
        labels.keys().cloned().collect()
    }

    fn aggregate(&self, aggregate: &AggregateExpr) -> Names {
        let there = self.labels(&aggregate.expr);
        match &aggregate.modifier {
            None => Names::new(),
            Some(LabelModifier::Include(by)) => {
                self.all_of(&by.labels, &there);
                by.labels.iter().cloned().collect()
            }
            Some(LabelModifier::Exclude(without)) => {
                self.all_of(&without.labels, &there);
                there.into_iter().filter(|label| !without.labels.contains(label)).collect()
            }
        }
    }

    fn call(&self, call: &Call) -> Names {
        let arguments: Vec<_> = call.args.args.iter().map(|argument| self.labels(argument)).collect();
        let mut labels: Names = arguments.into_iter().flatten().collect();
        match call.func.name {
            "histogram_quantile" => assert!(labels.remove("le"), "no buckets in {}", self.query),
            "label_replace" | "label_join" => panic!("not understood here: {}", self.query),
            _ => {}
        }
        labels
    }

    fn binary(&self, binary: &BinaryExpr) -> Names {
        let (left, right) = (self.labels(&binary.lhs), self.labels(&binary.rhs));
        if binary.lhs.value_type() == ValueType::Scalar || binary.rhs.value_type() == ValueType::Scalar {
            return left.into_iter().chain(right).collect();
        }
        let modifier = binary.modifier.as_ref();
        let operator = binary.op.to_string();
        match modifier.and_then(|modifier| modifier.matching.as_ref()) {
            Some(LabelModifier::Include(on)) => {
                self.all_of(&on.labels, &left);
                self.all_of(&on.labels, &right);
            }
            Some(LabelModifier::Exclude(ignoring)) => {
                self.all_of(&ignoring.labels, &left.union(&right).cloned().collect());
            }
            None if operator == "or" => {}
            None => assert_eq!(left, right, "the sides of {operator} never match, in {}", self.query),
        }
        match modifier.map(|modifier| &modifier.card) {
            Some(VectorMatchCardinality::OneToMany(_)) => right,
            Some(VectorMatchCardinality::ManyToOne(added)) => {
                self.all_of(&added.labels, &right);
                left.into_iter().chain(added.labels.iter().cloned()).collect()
            }
            _ if operator == "or" => left.into_iter().chain(right).collect(),
            _ => left,
        }
    }
}

/// Every selector in an expression.
pub(crate) fn selectors(expr: &Expr) -> Vec<&VectorSelector> {
    match expr {
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Vec::new(),
        Expr::Paren(inner) => selectors(&inner.expr),
        Expr::Unary(inner) => selectors(&inner.expr),
        Expr::Subquery(inner) => selectors(&inner.expr),
        Expr::VectorSelector(selector) => vec![selector],
        Expr::MatrixSelector(selector) => vec![&selector.vs],
        Expr::Aggregate(inner) => selectors(&inner.expr),
        Expr::Binary(inner) => [selectors(&inner.lhs), selectors(&inner.rhs)].concat(),
        Expr::Call(call) => call.args.args.iter().flat_map(|argument| selectors(argument)).collect(),
    }
}

/// The values of a matcher, one by one: of `a|b/(c|d)` these are `a`, `b/c` and `b/d`. A negated matcher has the values that it excludes.
pub(crate) fn alternatives(matcher: &Matcher) -> Vec<Matcher> {
    if matches!(matcher.op, MatchOp::Equal | MatchOp::NotEqual) {
        return vec![Matcher::new(MatchOp::Equal, &matcher.name, &matcher.value)];
    }
    let mut depth = 0;
    let top = matcher.value.split(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == '|' && depth == 0
    });
    let each = top.flat_map(|one| match one.split_once('(') {
        None => vec![one.to_owned()],
        Some((before, rest)) => {
            let (inner, after) = rest.rsplit_once(')').expect("a closing parenthesis");
            inner.split('|').map(|inner| format!("{before}{inner}{after}")).collect()
        }
    });
    each.map(|value| regex(&matcher.name, &value)).collect()
}

/// A matcher by a regular expression, made as Prometheus makes it.
fn regex(name: &str, value: &str) -> Matcher {
    let expr = parse(&format!("x{{{name}=~\"{}\"}}", value.replace('\\', "\\\\")));
    let Expr::VectorSelector(selector) = expr else { panic!("a selector") };
    selector.matchers.matchers.into_iter().next().expect("a matcher")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_metrics_and_labels_are_found() {
        let catalogue = Catalogue::exported();
        for (query, complaint) in [
            ("sum(rate(levqor_made_up_total[5m]))", "nobody exports"),
            ("levqor_ready{state=\"due\"}", "no label state"),
            ("levqor_deferred_calls{state=\"dying\"}", "is never dying"),
            ("levqor_deferred_calls{state=~\"due|dying\"}", "is never dying"),
            (
                "levqor_deferred_call_deliveries_total{rpc_method!~\".+/(SendMessage|SendLetter)\"}",
                "is never .+/SendLetter",
            ),
            ("sum by (tier) (levqor_ready)", "the label tier"),
            (
                "histogram_quantile(0.9, sum by (outcome) (rate(levqor_deferred_call_attempts_bucket[5m])))",
                "no buckets",
            ),
            ("levqor_deferred_calls / levqor_ready", "never match"),
            ("levqor_ready / on (state) levqor_ready", "the label state"),
            ("http_server_request_duration_seconds_bucket{le=\"0.3\"}", "is never 0.3"),
        ] {
            let panic = std::panic::catch_unwind(|| check(query, &catalogue)).expect_err(query);
            let words = panic.downcast_ref::<String>().expect("words");
            assert!(words.contains(complaint), "{words}");
        }
        assert!(
            check("sum by (state) (levqor_deferred_calls{state=~\"due|later\"})", &catalogue)
                .contains("state")
        );
    }
}
