//! The page in a real Chromium, over a real server with the demo model. `make test-page` installs the browser and runs
//! these; the screenshots of the last run lie in `UNINLU_SCREENSHOTS`, if it is set.

#[path = "../serve/harness.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the server, which use all of it"
)]
mod harness;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use harness::{PATIENCE, Server, command, golden};
use headless_chrome::browser::tab::ModifierKey;
use headless_chrome::protocol::cdp::Emulation::SetEmulatedMedia;
use headless_chrome::protocol::cdp::Page::CaptureScreenshotFormatOption;
use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::{Browser, LaunchOptions, Tab};
use serde_json::Value;

struct Page {
    tab: Arc<Tab>,
    /// Addresses fetched, and what went wrong on the page.
    seen: Arc<Mutex<Vec<String>>>,
    faults: Arc<Mutex<Vec<String>>>,
    server: Server,
    _browser: Browser,
}

impl Page {
    /// The page as it is seen first, in a browser of that language.
    fn open(path: &str, language: &str) -> Self {
        let server = Server::ready(command(&golden("../demo-model")));
        let language = format!("--lang={language}");
        let accept = format!("--accept-lang={}", &language[7..]);
        let options = LaunchOptions::default_builder()
            .sandbox(false)
            .window_size(Some((1280, 900)))
            .args(vec![language.as_ref(), accept.as_ref()])
            .idle_browser_timeout(PATIENCE)
            .build()
            .expect("options");
        let browser = Browser::new(options).expect("chromium starts: apt-get install chromium");
        let tab = browser.new_tab().expect("a tab");
        let (seen, faults) = (Arc::default(), Arc::default());
        watch(&tab, &seen, &faults);
        tab.navigate_to(&format!("{}{path}", server.url))
            .and_then(|tab| tab.wait_until_navigated())
            .expect("the page opens");
        Self {
            tab,
            seen,
            faults,
            server,
            _browser: browser,
        }
    }

    fn run(&self, script: &str) -> Value {
        let result = self.tab.evaluate(script, true).expect(script);
        result.value.unwrap_or(Value::Null)
    }

    fn text(&self, selector: &str) -> String {
        let script = format!("document.querySelector('{selector}').textContent");
        self.run(&script).as_str().unwrap_or_default().to_owned()
    }

    fn count(&self, selector: &str) -> u64 {
        let script = format!("document.querySelectorAll('{selector}').length");
        self.run(&script).as_u64().unwrap_or_default()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "between two looks; the wait has a bound"
    )]
    fn wait_for(&self, what: &str, script: &str) {
        let began = Instant::now();
        while self.run(script) != Value::Bool(true) {
            let status = self.text("#status");
            assert!(
                began.elapsed() < PATIENCE,
                "waited too long for {what}: {status}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The text in the answer, without the names of the types that stand in it.
    fn shown(&self) -> Value {
        self.run(
            "(() => { const copy = document.getElementById('spans').cloneNode(true); \
             copy.querySelectorAll('.type').forEach((name) => name.remove()); return copy.textContent; })()",
        )
    }

    fn choose(&self, task: usize) {
        self.run(&format!(
            "document.getElementById('task').value = '{task}'; \
             document.getElementById('task').dispatchEvent(new Event('change'))"
        ));
    }

    fn ask(&self) {
        self.run("document.getElementById('json').textContent = ''");
        self.tab
            .wait_for_element("#ask")
            .and_then(|button| button.click().map(|_| ()))
            .expect("a click");
        self.wait_for_answer();
    }

    fn wait_for_answer(&self) {
        self.wait_for(
            "an answer",
            "document.getElementById('json').textContent !== '' && !document.getElementById('ask').disabled",
        );
    }

    fn screenshot(&self, name: &str) {
        let Some(folder) = std::env::var_os("UNINLU_SCREENSHOTS") else {
            return;
        };
        let image = self
            .tab
            .capture_screenshot(CaptureScreenshotFormatOption::Png, None, None, true)
            .expect("a screenshot");
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder).expect("the folder");
        std::fs::write(folder.join(format!("{name}.png")), image).expect("the screenshot");
    }

    /// Nothing was fetched from elsewhere, and nothing went wrong.
    fn was_clean(&self) {
        let faults = self.faults.lock().expect("not poisoned");
        assert!(faults.is_empty(), "{faults:?}");
        let seen = self.seen.lock().expect("not poisoned");
        assert!(!seen.is_empty(), "the page's own requests were watched");
        for url in seen.iter() {
            let is_own = url.starts_with(&self.server.url) || url.starts_with("data:");
            assert!(is_own, "{url} is not this server's");
        }
    }
}

fn watch(tab: &Arc<Tab>, seen: &Arc<Mutex<Vec<String>>>, faults: &Arc<Mutex<Vec<String>>>) {
    let (seen, faults) = (seen.clone(), faults.clone());
    tab.enable_log().expect("the log");
    tab.enable_runtime().expect("the runtime");
    tab.call_method(headless_chrome::protocol::cdp::Network::Enable {
        max_total_buffer_size: None,
        max_resource_buffer_size: None,
        max_post_data_size: None,
        report_direct_socket_traffic: None,
        enable_durable_messages: None,
    })
    .expect("the network");
    let listener = move |event: &Event| {
        let note =
            |all: &Mutex<Vec<String>>, what: String| all.lock().expect("not poisoned").push(what);
        match event {
            Event::NetworkRequestWillBeSent(sent) => note(&seen, sent.params.request.url.clone()),
            Event::LogEntryAdded(entry) => note(&faults, entry.params.entry.text.clone()),
            Event::RuntimeExceptionThrown(thrown) => {
                note(&faults, format!("{:?}", thrown.params.exception_details));
            }
            _ => {}
        }
    };
    tab.add_event_listener(Arc::new(listener))
        .expect("a listener");
}

#[test]
#[ignore = "needs chromium: make test-page"]
fn every_task_is_asked_and_shown() {
    let page = Page::open("/", "en-US");
    let tasks = page.count("#task option") - 1;
    assert_eq!(tasks, 11, "all tasks of the model, and an own schema");
    let mut marked = 0;
    for task in 0..usize::try_from(tasks).expect("few") {
        page.choose(task);
        assert_eq!(page.text("#schema-error"), "");
        page.ask();
        let text = page.run("document.getElementById('text').value");
        assert_eq!(page.shown(), text, "the text is shown whole");
        marked += page.count("#spans mark");
        assert!(
            page.text("#status").contains("ms in total"),
            "{}",
            page.text("#status")
        );
        assert!(page.text("#curl").starts_with("curl -s http://127.0.0.1"));
        if task < 2 {
            page.screenshot(&format!("task-{task}"));
        }
    }
    assert!(marked > 8, "the demo model finds something: {marked}");
    page.was_clean();
}

#[test]
#[ignore = "needs chromium: make test-page"]
fn relations_are_a_table_with_their_places() {
    let page = Page::open("/", "en-US");
    page.run(
        "document.getElementById('text').value = '雷军是小米公司的董事长，他出生于湖北仙桃。'; \
         document.getElementById('schema').value = '{\"人物\": {\"职务\": null, \"出生地\": null}}'",
    );
    page.ask();
    assert_eq!(page.count("#paths tbody tr"), 2);
    assert_eq!(page.count("#paths thead th"), 2);
    assert!(page.text("#paths tbody tr:last-child").contains("仙桃"));
    page.screenshot("relations");
    page.was_clean();
}

#[test]
#[ignore = "needs chromium: make test-page"]
fn a_wrong_schema_is_told_before_anything_is_sent() {
    let page = Page::open("/", "en-US");
    let sent = page.seen.lock().expect("not poisoned").len();
    for (schema, told) in [
        ("{", "Not valid JSON"),
        ("[]", "Write an object"),
        ("{\"人物\": {}}", "schema.人物 has no type"),
        ("{\"人物\": 5}", "schema.人物: write null"),
    ] {
        page.run(&format!(
            "document.getElementById('schema').value = {}; \
             document.getElementById('schema').dispatchEvent(new Event('input'))",
            Value::from(schema)
        ));
        assert!(
            page.text("#schema-error").contains(told),
            "{}",
            page.text("#schema-error")
        );
        page.run("document.getElementById('question').requestSubmit()");
    }
    assert_eq!(
        page.run("document.activeElement.id"),
        "schema",
        "the error is where the cursor is"
    );
    page.screenshot("wrong-schema");
    assert_eq!(page.seen.lock().expect("not poisoned").len(), sent);
}

/// The order of a schema is the order of its answers; JavaScript's objects would put keys such as "1" first.
#[test]
#[ignore = "needs chromium: make test-page"]
fn a_schema_is_sent_in_the_order_in_which_it_is_written() {
    let page = Page::open("/", "en-US");
    page.run(r#"document.getElementById('schema').value = '{"2": null, "1": null}'"#);
    page.ask();
    let command = page.text("#curl");
    assert!(command.contains(r#"{"2": null, "1": null}"#), "{command}");
    page.was_clean();
}

#[test]
#[ignore = "needs chromium: make test-page"]
fn a_second_question_waits_for_the_first_answer() {
    let page = Page::open("/", "en-US");
    page.run(
        "document.getElementById('question').requestSubmit(); document.getElementById('question').requestSubmit()",
    );
    page.wait_for_answer();
    let seen = page.seen.lock().expect("not poisoned");
    let asked = seen.iter().filter(|url| url.ends_with("api/predict"));
    assert_eq!(asked.count(), 1, "{seen:?}");
}

/// A proxy in front of the server answers with a page of its own when the server is gone.
#[test]
#[ignore = "needs chromium: make test-page"]
fn an_answer_of_somebody_else_is_told_with_its_status() {
    let page = Page::open("/", "en-US");
    page.run("window.fetch = async () => new Response('<h1>Bad gateway</h1>', { status: 502 })");
    page.run("document.getElementById('question').requestSubmit()");
    page.wait_for("the answer", "!document.getElementById('ask').disabled");
    let status = page.text("#status");
    assert!(status.starts_with("502"), "{status}");
    page.was_clean();
}

#[test]
#[ignore = "needs chromium: make test-page"]
fn markup_in_a_text_stays_text() {
    let page = Page::open("/", "en-US");
    page.run("document.getElementById('text').value = '<img src=x onerror=alert(1)>雷军<b>'");
    page.ask();
    assert_eq!(page.count("#spans img") + page.count("#spans b"), 0);
    assert_eq!(page.shown(), "<img src=x onerror=alert(1)>雷军<b>");
    page.was_clean();
}

#[test]
#[ignore = "needs chromium: make test-page"]
fn it_speaks_the_browsers_language_and_remembers_another() {
    let page = Page::open("/", "zh-CN");
    assert_eq!(page.text("#ask"), "运行");
    page.tab
        .wait_for_element("#language")
        .and_then(|button| button.click().map(|_| ()))
        .expect("a click");
    assert_eq!(page.text("#ask"), "Run");
    assert_eq!(page.run("document.documentElement.lang"), "en");
    page.tab.reload(false, None).expect("a reload");
    page.wait_for("the page again", "document.readyState === 'complete'");
    page.wait_for(
        "the language",
        "document.getElementById('ask').textContent === 'Run'",
    );
    page.was_clean();
}

#[test]
#[ignore = "needs chromium: make test-page"]
fn it_is_dark_where_the_system_is_and_when_asked() {
    let page = Page::open("/", "zh-CN");
    let theme = "document.documentElement.dataset.theme";
    assert_eq!(page.run(theme), "light");
    page.run("document.getElementById('theme').click()");
    assert_eq!(page.run(theme), "dark");
    assert_eq!(
        page.run("getComputedStyle(document.documentElement).colorScheme"),
        "dark",
        "the browser's own fields and bars are dark too"
    );
    page.ask();
    page.screenshot("dark");
    page.run("localStorage.clear()");
    page.tab
        .call_method(SetEmulatedMedia {
            media: None,
            features: Some(vec![
                headless_chrome::protocol::cdp::Emulation::MediaFeature {
                    name: "prefers-color-scheme".into(),
                    value: "dark".into(),
                },
            ]),
        })
        .expect("a dark system");
    page.tab.reload(false, None).expect("a reload");
    page.wait_for("the dark page", &format!("{theme} === 'dark'"));
    page.was_clean();
}

/// From the top of the page with nothing but Tab, arrows and Enter.
#[test]
#[ignore = "needs chromium: make test-page"]
fn the_keyboard_is_enough() {
    let page = Page::open("/", "en-US");
    let press = |key: &str| {
        page.tab.press_key(key).map(|_| ()).expect(key);
    };
    let mut reached = Vec::new();
    for _ in 0..12 {
        press("Tab");
        let id = page.run("document.activeElement.id || document.activeElement.className || document.activeElement.textContent");
        reached.push(id.as_str().unwrap_or_default().to_owned());
        if id == "task" {
            press("ArrowDown");
        }
        if id == "ask" {
            break;
        }
    }
    assert_eq!(
        reached,
        [
            "skip", "API", "language", "theme", "task", "text", "schema", "strict", "ask"
        ]
    );
    press("Enter");
    page.wait_for_answer();
    page.run(
        "document.getElementById('json').textContent = ''; document.getElementById('text').focus()",
    );
    page.tab
        .press_key_with_modifiers("Enter", Some(&[ModifierKey::Ctrl]))
        .expect("Ctrl and Enter");
    page.wait_for_answer();
    page.was_clean();
}

/// What a screen reader reads: every field has a name, headings are in order, the answer is announced.
#[test]
#[ignore = "needs chromium: make test-page"]
fn everything_has_a_name() {
    let page = Page::open("/", "en-US");
    let unnamed = page.run(
        "[...document.querySelectorAll('input, select, textarea')].filter((field) => field.labels.length === 0).length",
    );
    assert_eq!(unnamed, 0);
    assert_eq!(
        page.run(
            "[...document.querySelectorAll('h1, h2')].map((title) => title.tagName).join(' ')"
        ),
        "H1 H2 H2"
    );
    assert_eq!(
        page.run("document.getElementById('status').getAttribute('aria-live')"),
        "polite"
    );
    page.was_clean();
}

#[test]
#[ignore = "needs chromium: make test-page"]
fn the_api_is_described() {
    let page = Page::open("/docs", "en-US");
    page.wait_for(
        "the routes",
        "document.querySelectorAll('#routes section').length > 8",
    );
    let described = page.text("#routes");
    assert!(described.contains("POST /api/predict"));
    for values in ["one of paths, grouped", "one of code-points, utf-16"] {
        assert!(described.contains(values), "{values}: {described}");
    }
    let example = page.text("#routes pre");
    let example: Value = serde_json::from_str(&example).expect("the example is JSON");
    assert!(example["schema"]["人物"].is_object(), "{example}");
    page.screenshot("docs");
    page.was_clean();
}

/// A description without a translation stays in English, so it is found here.
#[test]
#[ignore = "needs chromium: make test-page"]
fn the_api_is_described_in_chinese_too() {
    let page = Page::open("/docs", "zh-CN");
    page.wait_for(
        "the routes",
        "document.querySelectorAll('#routes section').length > 8",
    );
    assert_eq!(page.run("document.documentElement.lang"), "zh-CN");
    let open = page.run(
        "[...document.querySelectorAll('#routes section > p, #routes td:last-child')].map((it) => it.textContent) \
         .filter((text) => text && !/[\\u4e00-\\u9fff]/.test(text)).join('|')",
    );
    assert_eq!(open, "", "not translated");
    page.screenshot("docs-zh");
    page.was_clean();
}

/// The demo model does entities, relations and events (tests/demo-model/README.md).
#[test]
#[ignore = "needs chromium: make test-page"]
fn tasks_that_the_model_is_not_trained_for_are_marked() {
    let page = Page::open("/", "en-US");
    page.wait_for(
        "the model's tasks",
        "document.getElementById('able').textContent !== ''",
    );
    assert_eq!(
        page.text("#able"),
        "This model is trained for: Named entity recognition, Relation extraction, Event extraction."
    );
    let marked = "[...document.querySelectorAll('#task option')].filter((it) => it.textContent.endsWith('(not trained)')).length";
    assert_eq!(page.run(marked), 8);
    assert_eq!(page.text("#task-note"), "");
    page.choose(5);
    assert!(page.text("#task-note").contains("not trained"));
    page.screenshot("not-trained");
    page.choose(1);
    assert_eq!(page.text("#task-note"), "");
    page.was_clean();
}
