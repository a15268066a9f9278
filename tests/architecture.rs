//! Who may use whom: reads what every module of `src` imports, and refuses what the table below forbids. Imports and
//! paths are read as tokens, so that comments and strings do not count; what is compiled for tests alone is left out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What each module may not touch, `*` being all but itself. It is the table of `src/lib.rs`, and what that says without
/// words: what is wiring is used by wiring alone, and what everybody uses uses nobody.
const TABLE: [(&str, &str); 14] = [
    ("model", "*"),
    (
        "config",
        "aws inventory rules plan execute state notify telemetry daemon web cli demo",
    ),
    (
        "aws",
        "rules plan execute state notify telemetry daemon web cli demo",
    ),
    (
        "inventory",
        "rules plan execute state notify telemetry daemon web cli demo",
    ),
    (
        "rules",
        "aws plan execute state notify telemetry daemon web cli demo",
    ),
    ("plan", "aws execute state notify telemetry daemon web cli demo"),
    ("execute", "rules notify web cli demo"),
    (
        "state",
        "config aws inventory rules plan execute notify daemon web cli demo",
    ),
    (
        "notify",
        "aws inventory rules plan execute state daemon web cli demo",
    ),
    (
        "telemetry",
        "config aws inventory rules plan execute state notify daemon web cli demo",
    ),
    ("daemon", "web cli demo"),
    ("web", "aws inventory rules execute notify cli demo"),
    ("cli", ""),
    ("demo", "web cli"),
];

/// Paths that a file may use though its module may not, and why.
const EXCEPTIONS: [(&str, &str, &str); 4] = [
    (
        "aws/writer.rs",
        "plan::Approved",
        "without consent there is no call: the Writer demands it",
    ),
    (
        "aws/writer.rs",
        "state::Lease",
        "without a lease there is no call: the Writer demands it",
    ),
    (
        "aws/request.rs",
        "plan::Operation",
        "what an Approved asks for, put into the Writer's requests",
    ),
    (
        "telemetry/logs.rs",
        "daemon::Clock",
        "time comes from the Clock, that of log lines too",
    ),
];

/// Crates by the beginning of their names, and the modules or files that alone may use them.
const CRATES: [(&str, &[&str]); 7] = [
    ("aws_sdk_", &["aws"]),
    ("aws_config", &["aws"]),
    ("aws_smithy_", &["aws"]),
    ("sqlx", &["state"]),
    ("reqwest", &["notify", "telemetry/traces.rs"]),
    ("opentelemetry", &["telemetry/traces.rs"]),
    ("openidconnect", &["web"]),
];

/// Modules that decide, and so are functions of what they are given.
const PURE: [&str; 3] = ["model", "rules", "plan"];
/// What IO, clocks, tasks and chance are reached by.
const IMPURE: [&str; 12] = [
    "tokio",
    "reqwest",
    "rand",
    "ulid",
    "tracing",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// Operations of AWS that change something, by the beginning of the SDK's method.
const CHANGES: [&str; 9] = [
    "update_",
    "delete_",
    "detach_",
    "attach_",
    "put_",
    "create_",
    "add_",
    "remove_",
    "set_default_policy_version",
];
/// Where such a method may be called: the Writer, and what makes its requests.
const CHANGING: [&str; 3] = ["aws/writer.rs", "aws/request.rs", "aws/regional/writes.rs"];

/// Functions of tests that may sleep: they wait on a condition, and look again a moment later.
const WAITING: [(&str, &str); 3] = [
    ("tests/support/mod.rs", "eventually"),
    ("tests/flows/daemon.rs", "metrics_once"),
    ("tests/aws-simulator/tests/faults.rs", "eventually"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> TokenStream {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files beneath a folder, by their paths from there.
fn files_beneath(folder: &Path) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.insert(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    files
}

/// A module with its tokens: those compiled into the program, and those for tests.
struct Module {
    /// From `src`: `rules/mod.rs`.
    file: String,
    /// `["rules", "context"]`
    path: Vec<String>,
    is_test: bool,
    live: Vec<TokenTree>,
    tests: Vec<TokenTree>,
}

impl Module {
    fn top(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// Every path into this crate, without its first `crate`, with the line where it begins.
    fn uses(&self) -> Vec<(Vec<String>, usize)> {
        let mut found = Vec::new();
        uses(&self.live, self.path.len(), &mut found);
        found
    }
}

/// The modules of the program, found from `lib.rs` on as the compiler finds them.
fn modules() -> Vec<Module> {
    let mut all = Vec::new();
    visit("lib.rs".into(), Vec::new(), false, &mut all);
    all
}

/// Those that are compiled into the program.
fn live_modules() -> Vec<Module> {
    let mut all = modules();
    all.retain(|module| !module.is_test);
    all
}

fn visit(file: PathBuf, path: Vec<String>, is_test: bool, all: &mut Vec<Module>) {
    let tokens: Vec<_> = read(&root().join("src").join(&file)).into_iter().collect();
    let (live, tests) = split(&tokens);
    let folder = match file.file_stem().unwrap().to_str().unwrap() {
        "mod" | "lib" => file.parent().unwrap().to_owned(),
        _ => file.with_extension(""),
    };
    let declared = declarations(&live).into_iter().map(|found| (found, is_test));
    let of_tests = declarations(&tests).into_iter().map(|found| (found, true));
    for ((name, at), is_test) in declared.chain(of_tests) {
        let at = match at {
            Some(named) => file.parent().unwrap().join(named),
            None => [
                folder.join(format!("{name}.rs")),
                folder.join(&name).join("mod.rs"),
            ]
            .into_iter()
            .find(|file| root().join("src").join(file).exists())
            .unwrap_or_else(|| panic!("{}: no file of mod {name}", file.display())),
        };
        let mut path = path.clone();
        path.push(name);
        visit(at, path, is_test, all);
    }
    all.push(Module {
        file: file.to_str().unwrap().to_owned(),
        path,
        is_test,
        live,
        tests,
    });
}

fn is(token: Option<&TokenTree>, word: &str) -> bool {
    match token {
        Some(TokenTree::Ident(ident)) => ident == word,
        Some(TokenTree::Punct(punct)) => punct.as_char().to_string() == word,
        Some(TokenTree::Group(_) | TokenTree::Literal(_)) | None => false,
    }
}

fn is_block(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace)
}

/// The tokens of an attribute that begins here: `cfg (test)`.
fn attribute(tokens: &[TokenTree]) -> Option<Vec<TokenTree>> {
    match tokens {
        [hash, TokenTree::Group(group), ..]
            if is(Some(hash), "#") && group.delimiter() == Delimiter::Bracket =>
        {
            Some(group.stream().into_iter().collect())
        }
        _ => None,
    }
}

fn is_for_tests(attribute: &[TokenTree]) -> bool {
    let words: Vec<_> = flat(attribute).iter().filter_map(ident).collect();
    words.first().is_some_and(|word| word == "cfg")
        && words.iter().any(|word| word == "test")
        && !words.iter().any(|word| word == "not")
}

/// Sets apart what is compiled for tests alone: the item behind `#[cfg(test)]`, to its end.
fn split(tokens: &[TokenTree]) -> (Vec<TokenTree>, Vec<TokenTree>) {
    let (mut live, mut tests) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        if attribute(&tokens[at..]).is_some_and(|found| is_for_tests(&found)) {
            at += 2;
            let end = tokens[at..]
                .iter()
                .position(|token| is(Some(token), ";") || is_block(Some(token)))
                .map_or(tokens.len(), |end| at + end + 1);
            tests.extend_from_slice(&tokens[at..end]);
            at = end + usize::from(is(tokens.get(end), ";"));
        } else {
            live.push(tokens[at].clone());
            at += 1;
        }
    }
    (live, tests)
}

/// The modules declared here that have files of their own, with the path that an attribute gives.
fn declarations(tokens: &[TokenTree]) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    let mut path = None;
    for at in 0..tokens.len() {
        if let Some(attribute) = attribute(&tokens[at..])
            && is(attribute.first(), "path")
        {
            path = attribute
                .last()
                .map(|text| text.to_string().trim_matches('"').to_owned());
        }
        if is(tokens.get(at), "mod")
            && is(tokens.get(at + 2), ";")
            && let Some(name) = tokens.get(at + 1).and_then(ident)
        {
            found.push((name, path.take()));
        }
    }
    found
}

fn ident(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => None,
    }
}

/// All tokens, groups opened.
fn flat(tokens: &[TokenTree]) -> Vec<TokenTree> {
    let mut all = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => all.extend(flat(&group.stream().into_iter().collect::<Vec<_>>())),
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => all.push(token.clone()),
        }
    }
    all
}

/// `::` behind this token.
fn goes_on(tokens: &[TokenTree], at: usize) -> bool {
    is(tokens.get(at + 1), ":") && is(tokens.get(at + 2), ":")
}

/// Paths into this crate: by `crate::`, and by as many `super::` as lead to its root.
fn uses(tokens: &[TokenTree], depth: usize, found: &mut Vec<(Vec<String>, usize)>) {
    let mut at = 0;
    while at < tokens.len() {
        let line = tokens[at].span().start().line;
        if let TokenTree::Group(group) = &tokens[at] {
            let inner: Vec<_> = group.stream().into_iter().collect();
            let is_module = is_block(tokens.get(at)) && at >= 2 && is(tokens.get(at - 2), "mod");
            uses(&inner, depth + usize::from(is_module), found);
        } else if is(tokens.get(at), "crate") && goes_on(tokens, at) {
            let tails = tails(&tokens[at + 3..]);
            found.extend(tails.into_iter().map(|tail| (tail, line)));
        } else if is(tokens.get(at), "super") && goes_on(tokens, at) {
            let mut levels = 0;
            while is(tokens.get(at), "super") && goes_on(tokens, at) {
                levels += 1;
                at += 3;
            }
            if levels == depth {
                let tails = tails(&tokens[at..]);
                found.extend(tails.into_iter().map(|tail| (tail, line)));
            }
            continue;
        }
        at += 1;
    }
}

/// What a path goes on with: one, or as many as its braces hold.
fn tails(tokens: &[TokenTree]) -> Vec<Vec<String>> {
    match tokens.first() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let inner: Vec<_> = group.stream().into_iter().collect();
            let entries = inner.split(|token| is(Some(token), ","));
            entries
                .filter(|entry| !entry.is_empty())
                .flat_map(tails)
                .collect()
        }
        Some(TokenTree::Ident(name)) => {
            let rest = match goes_on(tokens, 0) {
                true => tails(&tokens[3..]),
                false => Vec::new(),
            };
            let rest = if rest.is_empty() { vec![Vec::new()] } else { rest };
            let whole = |rest: Vec<String>| std::iter::once(name.to_string()).chain(rest).collect();
            rest.into_iter().map(whole).collect()
        }
        Some(TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_)) | None => Vec::new(),
    }
}

#[test]
fn no_module_uses_what_it_may_not() {
    let mut offences = Vec::new();
    let mut needed = BTreeSet::new();
    for module in live_modules().iter().filter(|module| !module.path.is_empty()) {
        let (_, may_not) = TABLE.iter().find(|(name, _)| *name == module.top()).unwrap();
        for (path, line) in module.uses() {
            let Some(target) = path.first() else { continue };
            let forbidden = *may_not == "*" || may_not.split(' ').any(|name| name == target);
            if target == module.top() || !forbidden {
                continue;
            }
            let path = path.join("::");
            let excepted = EXCEPTIONS
                .iter()
                .find(|(file, allowed, _)| *file == module.file && path.starts_with(allowed));
            match excepted {
                Some((file, allowed, _)) => drop(needed.insert((*file, *allowed))),
                None => offences.push(format!("src/{}:{line} uses {path}", module.file)),
            }
        }
    }
    assert!(offences.is_empty(), "{offences:#?}");
    let granted: BTreeSet<_> = EXCEPTIONS.iter().map(|(file, path, _)| (*file, *path)).collect();
    assert_eq!(granted, needed, "an exception that nobody needs is to go");
}

#[test]
fn a_foreign_crate_stays_where_it_belongs() {
    let mut offences = Vec::new();
    for module in live_modules() {
        for word in flat(&module.live).iter().filter_map(ident) {
            for (prefix, homes) in CRATES {
                let is_home = |home: &&str| module.top() == *home || module.file == *home;
                if word.starts_with(prefix) && !homes.iter().any(is_home) {
                    offences.push(format!("src/{}: {word}", module.file));
                }
            }
        }
    }
    assert!(offences.is_empty(), "{offences:#?}");
}

#[test]
fn who_decides_reads_nothing_but_what_it_is_given() {
    let mut offences = Vec::new();
    for module in live_modules()
        .iter()
        .filter(|module| PURE.contains(&module.top()))
    {
        let tokens = flat(&module.live);
        for at in 0..tokens.len() {
            if !goes_on(&tokens, at) || (at > 0 && is(tokens.get(at - 1), ":")) {
                continue;
            }
            let path = tails(&tokens[at..]).concat().join("::");
            let impure = |name: &str| path == name || path.starts_with(&format!("{name}::"));
            if IMPURE.iter().any(|name| impure(name)) || path.ends_with("Utc::now") {
                offences.push(format!("src/{}: {path}", module.file));
            }
        }
    }
    assert!(offences.is_empty(), "{offences:#?}");
}

#[test]
fn reading_and_writing_are_two_types_in_two_files() {
    let mut homes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut offences = Vec::new();
    for module in live_modules() {
        let tokens = flat(&module.live);
        for at in 0..tokens.len() {
            for name in ["Reader", "Writer"] {
                if is(tokens.get(at), "struct") && is(tokens.get(at + 1), name) {
                    homes.entry(name).or_default().push(module.file.clone());
                }
            }
            let called = tokens
                .get(at + 1)
                .and_then(ident)
                .filter(|_| is(tokens.get(at), "."));
            let changes = called.filter(|name| CHANGES.iter().any(|prefix| name.starts_with(prefix)));
            // Dates of an answer are read by methods that sound like calls.
            let changes = changes.filter(|name| !name.ends_with("_date"));
            if let Some(name) = changes
                && module.top() == "aws"
                && !CHANGING.contains(&module.file.as_str())
            {
                offences.push(format!("src/{}: {name}", module.file));
            }
        }
        let names_writer = module
            .uses()
            .iter()
            .any(|(path, _)| path.starts_with(&["aws".to_owned(), "Writer".to_owned()]));
        assert!(
            !names_writer || module.top() == "execute",
            "src/{} can write",
            module.file
        );
    }
    let expected = BTreeMap::from([
        ("Reader", vec!["aws/reader.rs".to_owned()]),
        ("Writer", vec!["aws/writer.rs".to_owned()]),
    ]);
    assert_eq!(homes, expected);
    assert!(offences.is_empty(), "{offences:#?}");
}

#[test]
fn every_file_is_part_of_the_house_and_every_module_on_its_map() {
    let modules = modules();
    // What tests borrow from the folder of tests is no part of the house.
    let is_inside = |path: &PathBuf| !path.components().any(|part| part == Component::ParentDir);
    let reached = modules.iter().map(|module| PathBuf::from(&module.file));
    let reached: BTreeSet<_> = reached.filter(is_inside).collect();
    let mut there = files_beneath(&root().join("src"));
    there.remove(Path::new("main.rs"));
    let orphans: Vec<_> = there.symmetric_difference(&reached).collect();
    assert!(orphans.is_empty(), "no module declares {orphans:?}");

    let top: BTreeSet<&str> = modules
        .iter()
        .map(Module::top)
        .filter(|top| !top.is_empty())
        .collect();
    let in_table: BTreeSet<_> = TABLE.iter().map(|(module, _)| *module).collect();
    assert_eq!(in_table, top);
    let map = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rows = map
        .lines()
        .filter(|line| line.starts_with("//! | "))
        .collect::<Vec<_>>()
        .join("\n");
    for name in top {
        assert!(
            rows.contains(&format!("`{name}`")),
            "src/lib.rs: the map lacks {name}"
        );
    }
}

#[test]
fn no_test_is_skipped_or_sleeps() {
    let mut offences = Vec::new();
    let mut look = |file: &str, tokens: &[TokenTree]| {
        let flat = flat(tokens);
        let mut function = String::new();
        for at in 0..flat.len() {
            if is(flat.get(at), "fn") {
                function = flat.get(at + 1).and_then(ident).unwrap_or_default();
            }
            let of_time = is(flat.get(at), "thread") || is(flat.get(at), "time");
            let naps = of_time
                && goes_on(&flat, at)
                && flat
                    .get(at + 3)
                    .and_then(ident)
                    .is_some_and(|name| name.starts_with("sleep"));
            if naps && !WAITING.contains(&(file, function.as_str())) {
                offences.push(format!("{file}: {function} sleeps"));
            }
            if is(flat.get(at), "#") && is(flat.get(at + 1), "ignore") {
                offences.push(format!("{file}: a test behind {function} is ignored"));
            }
        }
    };
    for module in modules() {
        let file = format!("src/{}", module.file);
        look(&file, &module.tests);
        if module.is_test {
            look(&file, &module.live);
        }
    }
    for path in files_beneath(&root().join("tests")) {
        // The simulator itself delays answers where it is told to.
        if !path.starts_with("aws-simulator/src") {
            let tokens: Vec<_> = read(&root().join("tests").join(&path)).into_iter().collect();
            look(&format!("tests/{}", path.display()), &tokens);
        }
    }
    assert!(offences.is_empty(), "{offences:#?}");
}

#[test]
fn paths_are_found_however_they_are_written() {
    let source = r#"
        use crate::{aws::{Reader, errors::*}, model};
        //! crate::comment
        fn f() { let text = "crate::text"; assert!(matches!(x, crate::plan::Plan { .. })); }
        use super::super::state::Lease;
        use super::sibling;
        mod inner { use super::super::super::web; }
        #[cfg(test)]
        mod tests { use crate::notify; }
        #[cfg(test)]
        use crate::{daemon, execute};
        #[cfg(not(test))]
        use crate::cli;
    "#;
    let tokens: Vec<_> = source
        .replace("//!", "//")
        .parse::<TokenStream>()
        .unwrap()
        .into_iter()
        .collect();
    let (live, tests) = split(&tokens);
    let mut found = Vec::new();
    uses(&live, 2, &mut found);
    let found: Vec<_> = found
        .into_iter()
        .map(|(path, line)| format!("{} {line}", path.join("::")))
        .collect();
    assert_eq!(
        found,
        [
            "aws::Reader 2",
            "aws::errors 2",
            "model 2",
            "plan::Plan 4",
            "state::Lease 5",
            "web 7",
            "cli 13"
        ]
    );
    let mut of_tests = Vec::new();
    uses(&tests, 2, &mut of_tests);
    assert_eq!(of_tests.len(), 3);
}
