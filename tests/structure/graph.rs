//! Which file of a crate uses items of which, read from its sources.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Module path below the crate's root; the root is empty.
type Module = Vec<String>;

/// Aliases that point at each other end here.
const DEEPEST: usize = 32;

/// The files of one crate.
#[derive(Default)]
pub(crate) struct Crate {
    modules: BTreeMap<Module, File>,
}

/// What one file imports and mentions.
#[derive(Default)]
struct File {
    name: String,
    imports: Vec<Import>,
    /// Paths outside of imports, `a::b`.
    paths: BTreeSet<Vec<String>>,
    /// Single names outside of imports: types, and functions and macros that are called.
    names: BTreeSet<String>,
}

/// One leaf of a `use`.
struct Import {
    path: Vec<String>,
    /// The name that it has here; `None` for `*`.
    alias: Option<String>,
    is_exported: bool,
}

/// A file, the file whose item it uses, and the item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) user: String,
    pub(crate) used: String,
    pub(crate) item: String,
}

impl std::fmt::Display for Use {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} uses `{}` of {}",
            self.user, self.item, self.used
        )
    }
}

/// The module of a file below `src`; `None` for a binary's root.
fn module_of(file: &Path) -> Option<Module> {
    let parts = file.with_extension("");
    let mut parts: Module = parts
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    match parts.last().map(String::as_str) {
        Some("mod" | "lib") => drop(parts.pop()),
        Some("main") if parts.len() == 1 => return None,
        _ => (),
    }
    Some(parts)
}

impl Crate {
    /// Adds a file, whose path is below the crate's `src`.
    pub(crate) fn add(&mut self, file: &Path, text: &str) {
        let Some(module) = module_of(file) else {
            return;
        };
        let stream = TokenStream::from_str(text)
            .unwrap_or_else(|error| panic!("{} is not Rust: {error}", file.display()));
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let mut read = File {
            name: file.display().to_string(),
            ..File::default()
        };
        read.take(&tokens);
        self.modules.insert(module, read);
    }

    /// Every use of one file's item in another one.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        for (module, file) in &self.modules {
            let exported = |name: &String| {
                let mut imports = file.imports.iter();
                imports.any(|import| import.is_exported && import.alias.as_ref() == Some(name))
            };
            let imported = file.imports.iter().filter(|import| !import.is_exported);
            let named = file.names.iter().filter(|name| exported(name));
            let paths = imported
                .map(|import| import.path.clone())
                .chain(file.paths.iter().cloned())
                .chain(named.map(|name| vec![name.clone()]));
            for path in paths {
                if let Some((used, item)) = self.resolve(module, &path, 0)
                    && used.name != file.name
                {
                    uses.push(Use {
                        user: file.name.clone(),
                        used: used.name.clone(),
                        item,
                    });
                }
            }
        }
        uses
    }

    /// The file in which the item of a path is defined, seen from a module; `None` for what is not of this crate, and for
    /// modules themselves.
    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<(&File, String)> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.walk(&[], rest, depth),
            "self" => self.walk(module, rest, depth),
            "super" => {
                let (_, parent) = module.split_last()?;
                match rest.first().map(String::as_str) {
                    Some("super") => self.resolve(parent, rest, depth),
                    _ => self.walk(parent, rest, depth),
                }
            }
            name => {
                let is_child = self.modules.contains_key(&child(module, name));
                let is_import = self.modules.get(module)?.import(name).is_some();
                (is_child || is_import).then(|| self.walk(module, path, depth))?
            }
        }
    }

    /// The same within a module.
    fn walk(&self, module: &[String], path: &[String], depth: usize) -> Option<(&File, String)> {
        let (first, rest) = path.split_first()?;
        let file = self.modules.get(module)?;
        let inner = child(module, first);
        let is_module = self.modules.contains_key(&inner);
        if is_module && !rest.is_empty() {
            return self.walk(&inner, rest, depth);
        }
        if let Some(import) = file.import(first) {
            let mut whole = import.path.clone();
            whole.extend_from_slice(rest);
            // A name of another crate is no item of this one.
            return (depth < DEEPEST).then(|| self.resolve(module, &whole, depth + 1))?;
        }
        (!is_module).then(|| (file, first.clone()))
    }
}

fn child(module: &[String], name: &str) -> Module {
    let mut child = module.to_vec();
    child.push(name.to_owned());
    child
}

impl File {
    fn import(&self, name: &str) -> Option<&Import> {
        let mut imports = self.imports.iter();
        imports.find(|import| import.alias.as_deref() == Some(name))
    }

    fn take(&mut self, tokens: &[Token]) {
        let mut at = 0;
        while at < tokens.len() {
            let before = at.checked_sub(1).map(|before| &tokens[before]);
            match &tokens[at] {
                Token::Name(word) if word == "use" => {
                    let is_exported = matches!(before, Some(Token::Name(word)) if word == "pub")
                        || matches!(before, Some(Token::Visibility));
                    let end = tokens[at..].iter().position(|one| *one == Token::Mark(';'));
                    let end = at + end.unwrap_or(tokens.len() - at);
                    let mut rest = &tokens[at + 1..end];
                    self.import_tree(&mut rest, &[], is_exported);
                    at = end;
                }
                Token::Name(word) if before != Some(&Token::Separator) => {
                    let path = path_at(&tokens[at..]);
                    let next = tokens.get(at + 2 * path.len() - 1);
                    at += 2 * path.len() - 2;
                    let is_member = before == Some(&Token::Mark('.'));
                    let is_type = word.starts_with(char::is_uppercase);
                    let is_called = matches!(next, Some(Token::Open('(') | Token::Mark('!')));
                    let is_defined = matches!(before, Some(Token::Name(word)) if word == "fn");
                    if path.len() > 1 {
                        self.paths.insert(path);
                    } else if !is_member && !is_defined && (is_type || is_called) {
                        self.names.insert(word.clone());
                    }
                }
                _ => (),
            }
            at += 1;
        }
    }

    fn import_tree(&mut self, tokens: &mut &[Token], prefix: &[String], is_exported: bool) {
        let mut path = prefix.to_vec();
        loop {
            match tokens.first() {
                Some(Token::Name(word)) => {
                    path.push(word.clone());
                    *tokens = &tokens[1..];
                }
                Some(Token::Separator) => *tokens = &tokens[1..],
                Some(Token::Open('{')) => {
                    *tokens = &tokens[1..];
                    while !matches!(tokens.first(), None | Some(Token::Close('}'))) {
                        self.import_tree(tokens, &path, is_exported);
                        if tokens.first() == Some(&Token::Mark(',')) {
                            *tokens = &tokens[1..];
                        }
                    }
                    *tokens = tokens.get(1..).unwrap_or_default();
                    return;
                }
                Some(Token::Mark('*')) => {
                    *tokens = &tokens[1..];
                    path.push("*".to_owned());
                    break;
                }
                _ => break,
            }
            if let Some(at) = path.iter().position(|word| word == "as")
                && path.len() > at + 1
            {
                break;
            }
        }
        let mut alias = path.last().cloned();
        if let Some(at) = path.iter().position(|word| word == "as") {
            path.truncate(at);
        }
        if path.len() > 1 && path.last().is_some_and(|word| word == "self") {
            path.pop();
            if alias.as_deref() == Some("self") {
                alias = path.last().cloned();
            }
        }
        self.imports.push(Import {
            path,
            alias: alias.filter(|name| name != "*" && name != "_"),
            is_exported,
        });
    }
}

/// The path that begins with the first token.
fn path_at(tokens: &[Token]) -> Vec<String> {
    let mut path = Vec::new();
    for pair in tokens.chunks(2) {
        let [Token::Name(word), rest @ ..] = pair else {
            break;
        };
        path.push(word.clone());
        if rest != [Token::Separator] {
            break;
        }
    }
    path
}

#[derive(Debug, PartialEq)]
enum Token {
    Name(String),
    /// `::`
    Separator,
    /// `pub(…)`
    Visibility,
    Open(char),
    Close(char),
    Mark(char),
    Literal,
}

/// The tokens without attributes, and without what is compiled for tests alone.
fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    let mut is_for_tests = false;
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                trees.next_if(
                    |next| matches!(next, TokenTree::Punct(mark) if mark.as_char() == '!'),
                );
                let is_attribute = |next: &TokenTree| matches!(next, TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket);
                if let Some(TokenTree::Group(group)) = trees.next_if(is_attribute) {
                    is_for_tests |= group.stream().to_string().replace(' ', "") == "cfg(test)";
                }
            }
            TokenTree::Punct(mark) if is_for_tests => is_for_tests = mark.as_char() != ';',
            TokenTree::Group(group) if is_for_tests => {
                is_for_tests = group.delimiter() != Delimiter::Brace;
            }
            _ if is_for_tests => (),
            TokenTree::Punct(mark) if mark.as_char() == ':' => {
                let is_second = |next: &TokenTree| matches!(next, TokenTree::Punct(mark) if mark.as_char() == ':');
                tokens.push(match trees.next_if(is_second) {
                    Some(_) => Token::Separator,
                    None => Token::Mark(':'),
                });
            }
            TokenTree::Punct(mark) => tokens.push(Token::Mark(mark.as_char())),
            TokenTree::Ident(word) => tokens.push(Token::Name(word.to_string())),
            TokenTree::Literal(_) => tokens.push(Token::Literal),
            TokenTree::Group(group) => {
                let is_visibility = matches!(tokens.last(), Some(Token::Name(word)) if word == "pub")
                    && group.delimiter() == Delimiter::Parenthesis;
                if is_visibility {
                    tokens.push(Token::Visibility);
                    continue;
                }
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ('(', ')'),
                    Delimiter::Brace => ('{', '}'),
                    Delimiter::Bracket => ('[', ']'),
                    Delimiter::None => (' ', ' '),
                };
                tokens.push(Token::Open(open));
                flatten(group.stream(), tokens);
                tokens.push(Token::Close(close));
            }
        }
    }
}

/// The shortest circles, each once: every file of a circle uses the next one, the last one the first.
pub(crate) fn circles(uses: &[Use]) -> Vec<Vec<Use>> {
    let mut circles: Vec<Vec<Use>> = Vec::new();
    let files: BTreeSet<&str> = uses.iter().map(|one| one.user.as_str()).collect();
    for file in files {
        let Some(circle) = circle_of(file, uses) else {
            continue;
        };
        let members = |circle: &[Use]| -> BTreeSet<String> {
            circle.iter().map(|one| one.user.clone()).collect()
        };
        if !circles
            .iter()
            .any(|known| members(known) == members(&circle))
        {
            circles.push(circle);
        }
    }
    circles
}

/// The shortest way from the file back to it.
fn circle_of(file: &str, uses: &[Use]) -> Option<Vec<Use>> {
    let mut ways: BTreeMap<&str, &Use> = BTreeMap::new();
    let mut next = VecDeque::from([file]);
    while let Some(user) = next.pop_front() {
        for one in uses.iter().filter(|one| one.user == user) {
            if ways.contains_key(one.used.as_str()) {
                continue;
            }
            ways.insert(&one.used, one);
            next.push_back(&one.used);
        }
    }
    let mut circle = vec![(*ways.get(file)?).clone()];
    while circle[0].user != file {
        let user = circle[0].user.clone();
        circle.insert(0, (*ways.get(user.as_str())?).clone());
    }
    Some(circle)
}
