//! Filter patterns of CloudWatch Logs over JSON events, compared by what they mean, not by how they are written.

use std::collections::BTreeSet;

/// A pattern, with the order of its terms, spaces, quotes and needless parentheses gone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pattern {
    /// A field compared with something: selector, operator, value.
    Term(String, String, String),
    /// All of these.
    All(BTreeSet<Pattern>),
    /// Any of these.
    Any(BTreeSet<Pattern>),
}

impl Pattern {
    /// Parses `{ … }`; `None`: it is something else, such as a pattern over words, and equal to nothing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
        let tokens = tokens(inner)?;
        let mut parser = Parser {
            tokens: &tokens,
            at: 0,
            depth: 0,
        };
        let pattern = parser.any()?;
        (parser.at == tokens.len()).then_some(pattern)
    }

    /// Whether every event of the other is an event of this: it is the same, or offers more to choose from.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let choices = |pattern: &Self| match pattern {
            Self::Any(choices) => choices.clone(),
            Self::Term(..) | Self::All(_) => BTreeSet::from([pattern.clone()]),
        };
        choices(self).is_superset(&choices(other))
    }

    fn all(parts: Vec<Self>) -> Self {
        Self::joined(parts, Self::All, |part| match part {
            Self::All(parts) => Ok(parts),
            Self::Term(..) | Self::Any(_) => Err(part),
        })
    }

    fn any(parts: Vec<Self>) -> Self {
        Self::joined(parts, Self::Any, |part| match part {
            Self::Any(parts) => Ok(parts),
            Self::Term(..) | Self::All(_) => Err(part),
        })
    }

    /// One part is itself; parts of the same kind are taken apart.
    fn joined(
        parts: Vec<Self>,
        join: fn(BTreeSet<Self>) -> Self,
        apart: fn(Self) -> Result<BTreeSet<Self>, Self>,
    ) -> Self {
        let mut joined = BTreeSet::new();
        for part in parts {
            match apart(part) {
                Ok(parts) => joined.extend(parts),
                Err(part) => {
                    joined.insert(part);
                }
            }
        }
        match joined.pop_first() {
            Some(only) if joined.is_empty() => only,
            first => join(first.into_iter().chain(joined).collect()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Operator(&'static str),
    /// A selector, a value, or a word such as `NOT`.
    Word(String),
}

/// Longer ones first.
const OPERATORS: [&str; 6] = ["!=", "<=", ">=", "=", "<", ">"];

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (token, after) = next_token(rest)?;
        tokens.push(token);
        rest = after.trim_start();
    }
    Some(tokens)
}

fn next_token(text: &str) -> Option<(Token, &str)> {
    for (sign, token) in [
        ("(", Token::Open),
        (")", Token::Close),
        ("&&", Token::And),
        ("||", Token::Or),
    ] {
        if let Some(rest) = text.strip_prefix(sign) {
            return Some((token, rest));
        }
    }
    for operator in OPERATORS {
        if let Some(rest) = text.strip_prefix(operator) {
            return Some((Token::Operator(operator), rest));
        }
    }
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, rest) = quoted.split_once('"')?;
        return Some((Token::Word(value.to_owned()), rest));
    }
    let ends = |c: char| c.is_whitespace() || "()=!<>&|\"".contains(c);
    let length = text.find(ends).unwrap_or(text.len());
    let (word, rest) = text
        .split_at_checked(length)
        .filter(|(word, _)| !word.is_empty())?;
    Some((Token::Word(word.to_owned()), rest))
}

/// A pattern that is nested deeper was written by nobody.
const DEEPEST: usize = 32;

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self) -> Option<Token> {
        let token = self.peek().cloned()?;
        self.at += 1;
        Some(token)
    }

    fn took(&mut self, token: &Token) -> bool {
        let there = self.peek() == Some(token);
        self.at += usize::from(there);
        there
    }

    /// `||` binds weaker than `&&`.
    fn any(&mut self) -> Option<Pattern> {
        let mut parts = vec![self.all()?];
        while self.took(&Token::Or) {
            parts.push(self.all()?);
        }
        Some(Pattern::any(parts))
    }

    fn all(&mut self) -> Option<Pattern> {
        let mut parts = vec![self.one()?];
        while self.took(&Token::And) {
            parts.push(self.one()?);
        }
        Some(Pattern::all(parts))
    }

    fn one(&mut self) -> Option<Pattern> {
        if !self.took(&Token::Open) {
            return self.term();
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let inner = self.any()?;
        self.depth -= 1;
        self.took(&Token::Close).then_some(inner)
    }

    /// `$.field = value`, or `$.field NOT EXISTS`, `$.field IS NULL` and the like.
    fn term(&mut self) -> Option<Pattern> {
        let Some(Token::Word(selector)) = self.take() else {
            return None;
        };
        if !selector.starts_with('$') {
            return None;
        }
        let (operator, value) = match (self.take()?, self.take()?) {
            (Token::Operator(operator), Token::Word(value)) => (operator.to_owned(), value),
            (Token::Word(first), Token::Word(second)) => (first.to_uppercase(), second.to_uppercase()),
            (
                Token::Open | Token::Close | Token::And | Token::Or | Token::Operator(_) | Token::Word(_),
                _,
            ) => {
                return None;
            }
        };
        Some(Pattern::Term(selector, operator, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Pattern {
        Pattern::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn how_a_pattern_is_written_does_not_matter() {
        let one = parse(r#"{ ($.eventName = CreateTrail) || ($.eventName = "UpdateTrail") }"#);
        for same in [
            "{($.eventName=UpdateTrail)||($.eventName=CreateTrail)}",
            "{ $.eventName = CreateTrail || $.eventName = UpdateTrail }",
            "{ (($.eventName = CreateTrail)) || (($.eventName = UpdateTrail) || ($.eventName = CreateTrail)) }",
        ] {
            assert_eq!(parse(same), one, "{same}");
        }
        for other in [
            "{ $.eventName = CreateTrail && $.eventName = UpdateTrail }",
            "{ $.eventName = CreateTrail || $.eventName != UpdateTrail }",
            "{ $.eventName = createtrail || $.eventName = UpdateTrail }",
        ] {
            assert_ne!(parse(other), one, "{other}");
        }
    }

    #[test]
    fn and_binds_stronger_than_or() {
        let plain = parse("{ $.a = 1 || $.b = 2 && $.c = 3 }");
        assert_eq!(plain, parse("{ $.a = 1 || ($.c = 3 && $.b = 2) }"));
        assert_ne!(plain, parse("{ ($.a = 1 || $.b = 2) && $.c = 3 }"));
    }

    #[test]
    fn more_to_choose_from_covers_less() {
        let less = parse("{ $.eventName = CreateTrail || $.eventName = UpdateTrail }");
        let more =
            parse("{ $.eventName = CreateTrail || $.eventName = UpdateTrail || $.eventName = DeleteTrail }");
        assert!(more.covers(&less) && less.covers(&less));
        assert!(!less.covers(&more));
        let narrower = parse("{ $.region = x && ($.eventName = CreateTrail || $.eventName = UpdateTrail) }");
        assert!(!narrower.covers(&less));
    }

    #[test]
    fn words_in_place_of_operators() {
        let root = parse(r#"{ $.userIdentity.type = "Root" && $.userIdentity.invokedBy NOT EXISTS }"#);
        assert_eq!(
            root,
            parse("{ $.userIdentity.invokedBy not exists && $.userIdentity.type = Root }")
        );
    }

    #[test]
    fn what_is_no_pattern_over_fields_is_equal_to_nothing() {
        let deep = format!("{{ {}$.a = 1{} }}", "(".repeat(100), ")".repeat(100));
        for wrong in [
            "",
            "ERROR",
            "{}",
            "{ $.a }",
            "{ $.a = }",
            "{ ($.a = 1 }",
            "{ $.a = 1 ||",
            "{ a = 1 }",
            "{ $.a = 1) }",
            "[a, b]",
            &deep,
        ] {
            assert_eq!(Pattern::parse(wrong), None, "{wrong}");
        }
    }

    fn written(pattern: &Pattern, reversed: bool) -> String {
        let join = |parts: &BTreeSet<Pattern>, sign: &str| {
            let mut parts: Vec<_> = parts
                .iter()
                .map(|part| format!("({})", written(part, reversed)))
                .collect();
            if reversed {
                parts.reverse();
            }
            parts.join(sign)
        };
        match pattern {
            Pattern::Term(selector, operator, value) => format!("{selector}{operator}\"{value}\""),
            Pattern::All(parts) => join(parts, "&&"),
            Pattern::Any(parts) => join(parts, " || "),
        }
    }

    fn any_pattern() -> impl Strategy<Value = Pattern> {
        let term = ("[a-c]", "[x-z]{1,2}")
            .prop_map(|(field, value)| Pattern::Term(format!("$.{field}"), "=".to_owned(), value));
        term.prop_recursive(3, 12, 4, |inner| {
            let parts = prop::collection::vec(inner, 1..4);
            (parts, any::<bool>()).prop_map(|(parts, all)| match all {
                true => Pattern::all(parts),
                false => Pattern::any(parts),
            })
        })
    }

    proptest! {
        #[test]
        fn a_pattern_is_the_same_however_it_is_ordered(pattern in any_pattern(), reversed in any::<bool>()) {
            prop_assert_eq!(Pattern::parse(&format!("{{ {} }}", written(&pattern, reversed))), Some(pattern));
        }

        #[test]
        fn nothing_makes_it_panic(text in "[{}()$.a =|&!\"<>]{0,40}") {
            let _ = Pattern::parse(&text);
        }
    }
}
