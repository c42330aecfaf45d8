//! `.dockerignore` against the table of `moby/patternmatcher`'s own tests (Apache-2.0), plus what its client does with
//! whole trees.

use uninlu::image::ignore::Ignore;

fn excludes(patterns: &[&str], path: &str) -> bool {
    Ignore::parse(&patterns.join("\n"))
        .unwrap_or_else(|bad| panic!("{patterns:?} is valid for Docker: {bad:?}"))
        .excludes(path)
}

fn check(pattern: &str, path: &str, expected: bool) {
    let found = excludes(&[pattern], path);
    assert_eq!(found, expected, "pattern `{pattern}`, path `{path}`");
}

/// `TestMatches`, without the paths with a trailing slash, which no walk produces.
#[test]
fn single_patterns_match_as_in_moby() {
    let table = [
        ("**", "file", true),
        ("**/", "file", true),
        ("**", "dir/file", true),
        ("**/", "dir/file", true),
        ("**/**", "dir/file", true),
        ("dir/**", "dir/file", true),
        ("dir/**", "dir/dir2/file", true),
        ("**/dir", "dir", true),
        ("**/dir", "dir/file", true),
        ("**/dir2/*", "dir/dir2/file", true),
        ("**/dir2/**", "dir/dir2/dir3/file", true),
        ("**file", "file", true),
        ("**file", "dir/file", true),
        ("**/file", "dir/file", true),
        ("**file", "dir/dir/file", true),
        ("**/file", "dir/dir/file", true),
        ("**/file*", "dir/dir/file", true),
        ("**/file*", "dir/dir/file.txt", true),
        ("**/file*txt", "dir/dir/file.txt", true),
        ("**/file*.txt", "dir/dir/file.txt", true),
        ("**/file*.txt*", "dir/dir/file.txt", true),
        ("**/**/*.txt", "dir/dir/file.txt", true),
        ("**/**/*.txt2", "dir/dir/file.txt", false),
        ("**/*.txt", "file.txt", true),
        ("**/**/*.txt", "file.txt", true),
        ("a**/*.txt", "a/file.txt", true),
        ("a**/*.txt", "a/dir/file.txt", true),
        ("a**/*.txt", "a/dir/dir/file.txt", true),
        ("a/*.txt", "a/dir/file.txt", false),
        ("a/*.txt", "a/file.txt", true),
        ("a/*.txt**", "a/file.txt", true),
        ("a[b-d]e", "ae", false),
        ("a[b-d]e", "ace", true),
        ("a[b-d]e", "aae", false),
        ("a[^b-d]e", "aze", true),
        (".*", ".foo", true),
        (".*", "foo", false),
        ("abc.def", "abcdef", false),
        ("abc.def", "abc.def", true),
        ("abc.def", "abcZdef", false),
        ("abc?def", "abcZdef", true),
        ("abc?def", "abcdef", false),
        ("a\\\\", "a\\", true),
        ("**/foo/bar", "foo/bar", true),
        ("**/foo/bar", "dir/foo/bar", true),
        ("**/foo/bar", "dir/dir2/foo/bar", true),
        ("abc/**", "abc", false),
        ("abc/**", "abc/def", true),
        ("abc/**", "abc/def/ghi", true),
        ("**/.foo", ".foo", true),
        ("**/.foo", "bar.foo", false),
        ("a(b)c/def", "a(b)c/def", true),
        ("a(b)c/def", "a(b)c/xyz", false),
        ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
        (
            "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
            "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
            true,
        ),
        (
            "dist/*.whl",
            "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
            true,
        ),
        ("a\\*b", "a*b", true),
        ("*.go", "fileutils.go", true),
        ("*", "fileutils.go", true),
    ];
    for (pattern, path, expected) in table {
        check(pattern, path, expected);
    }
}

/// `matchTests`, which moby took from Go's `filepath.Match`.
#[test]
fn wildcards_and_classes_match_as_in_go() {
    let table = [
        ("abc", "abc", true),
        ("*", "abc", true),
        ("*c", "abc", true),
        ("a*", "a", true),
        ("a*", "abc", true),
        ("a*", "ab/c", true),
        ("a*/b", "abc/b", true),
        ("a*/b", "a/c/b", false),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
        ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
        ("a*b?c*x", "abxbbxdbxebxczzx", true),
        ("a*b?c*x", "abxbbxdbxebxczzy", false),
        ("ab[c]", "abc", true),
        ("ab[b-d]", "abc", true),
        ("ab[e-g]", "abc", false),
        ("ab[^c]", "abc", false),
        ("ab[^b-d]", "abc", false),
        ("ab[^e-g]", "abc", true),
        ("a\\*b", "ab", false),
        ("a?b", "a☺b", true),
        ("a[^a]b", "a☺b", true),
        ("a???b", "a☺b", false),
        ("a[^a][^a][^a]b", "a☺b", false),
        ("[a-ζ]*", "α", true),
        ("*[a-ζ]", "A", false),
        ("a?b", "a/b", false),
        ("a*b", "a/b", false),
        ("[\\]a]", "]", true),
        ("[\\-]", "-", true),
        ("[x\\-]", "x", true),
        ("[x\\-]", "-", true),
        ("[x\\-]", "z", false),
        ("[\\-x]", "x", true),
        ("[\\-x]", "-", true),
        ("[\\-x]", "a", false),
        ("*x", "xxx", true),
    ];
    for (pattern, path, expected) in table {
        check(pattern, path, expected);
    }
}

#[test]
fn what_go_calls_a_bad_pattern_is_refused_with_its_line() {
    for pattern in [
        "[]a]", "[-]", "[x-]", "[-x]", "\\", "[a-b-c]", "[", "[^", "[^bc", "a[", "!",
    ] {
        let text = format!("# comment\n\n{pattern}\n");
        let bad = Ignore::parse(&text).expect_err(pattern);
        assert_eq!((bad.line, bad.pattern.as_str()), (3, pattern));
    }
}

#[test]
fn the_last_rule_that_matches_wins() {
    let table: &[(&[&str], &str, bool)] = &[
        (&["!fileutils.go", "*.go"], "fileutils.go", true),
        (&["*.go", "!fileutils.go"], "fileutils.go", false),
        (&["docs", "!docs/README.md"], "docs/README.md", false),
        (&["docs/", "!docs/README.md"], "docs/README.md", false),
        (&["docs/*", "!docs/README.md"], "docs/README.md", false),
        (&["**", "!util/docker/web"], "util/docker/web/foo", false),
        (
            &["**", "!util/docker/web", "util/docker/web/foo"],
            "util/docker/web/foo",
            true,
        ),
        (&["**", "!dist/*.whl"], "dist/a.whl", false),
        (&["*", "!/src", "src/*.log"], "src/a.log", true),
        (&["*", "!/src", "src/*.log"], "src/deep/a.log", false),
    ];
    for (patterns, path, expected) in table {
        assert_eq!(
            excludes(patterns, path),
            *expected,
            "{patterns:?} on `{path}`"
        );
    }
}

/// `TestReadAll`, and git's habits that Docker does not share.
#[test]
fn lines_are_read_as_docker_reads_them() {
    let byte_order_mark =
        "\u{feff}target\n  spaced  \n/rooted\n# not this\n #this\n! /rooted/kept\r\na/./b/../c/\n";
    let ignore = Ignore::parse(byte_order_mark).expect("a valid file");
    for path in ["target", "spaced", "rooted", "#this", "a/c"] {
        assert!(ignore.excludes(path), "`{path}` is left out");
    }
    assert!(!ignore.excludes("rooted/kept"), "`!` takes it back");
    assert!(
        !ignore.excludes("deep/target"),
        "a pattern is anchored at the root"
    );
    check("*.log", "deep/a.log", false);
}

#[test]
fn an_excluded_folder_is_walked_only_where_something_could_be_taken_back() {
    let ignore = Ignore::parse("*\n!src/kept\n!docs/*.md").expect("a valid file");
    for folder in ["src", "docs"] {
        assert!(ignore.may_take_back_below(folder), "{folder}");
    }
    assert!(
        !ignore.may_take_back_below("target"),
        "nothing can come back from there"
    );
    let anywhere = Ignore::parse("target\n!**/kept.txt").expect("a valid file");
    assert!(
        anywhere.may_take_back_below("target"),
        "`**` may match below it"
    );
}
