//! The page in a real Chromium: what its script shows, and that nothing is cut off. `make test-page` runs these; with
//! `UNINLU_SCREENSHOTS=DIR` they keep pictures.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::hermetic;

const LOAD: &str = "constant:50/2m+ramp:50..120/3m+constant:120/5m";
/// A point of a chart is pointed at, as a mouse would.
const POINT: &str = "const point = (chart, share) => {
  const plot = document.querySelectorAll('.plot')[chart];
  const { left, top, width } = plot.getBoundingClientRect();
  plot.dispatchEvent(new PointerEvent('pointermove', { clientX: left + share * width, clientY: top + 5, bubbles: true }));
};
const seen = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.getClientRects().length > 0);
const rows = () => seen('.tip dt').map((term) => `${term.textContent}: ${term.nextElementSibling.textContent}`);";

fn page() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulate");
    let given = [
        "simulate",
        "--profile",
        "made-up.profile.json",
        "--load",
        LOAD,
        "--env",
        "both",
        "--price",
        "0.12",
        "--format",
        "html",
    ];
    let output = hermetic::uninlu(&folder).args(given).output();
    let output = output.expect("the binary was built for this test");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The page in a window of that width, after `script`; its `result` is what comes back.
fn run(width: u32, is_dark: bool, script: &str, picture: &str) -> Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("page.html");
    let written = "document.body.dataset.result = JSON.stringify(result);";
    let added = format!("<script>{{ {POINT}\n{script}\n{written} }}</script></body>");
    std::fs::write(&file, page().replace("</body>", &added)).expect("writable");
    let address = format!("file://{}", file.display());
    let dom = chromium(width, is_dark, &["--dump-dom", &address]);
    if let Some(pictures) = std::env::var_os("UNINLU_SCREENSHOTS") {
        let picture = PathBuf::from(pictures).join(format!("simulate-{picture}.png"));
        chromium(
            width,
            is_dark,
            &[&format!("--screenshot={}", picture.display()), &address],
        );
    }
    let result = dom.split_once("data-result=\"").and_then(|(_, rest)| {
        let (result, _) = rest.split_once('"')?;
        Some(result.replace("&quot;", "\"").replace("&amp;", "&"))
    });
    let result = result.expect("the script ran to its end");
    serde_json::from_str(&result).expect("JSON")
}

fn chromium(width: u32, is_dark: bool, more: &[&str]) -> String {
    let dark = is_dark.then_some("--blink-settings=preferredColorScheme=0");
    let size = format!("--window-size={width},2600");
    let profile = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            &size,
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(dark)
        .args(more)
        .output()
        .expect("chromium runs: apt-get install chromium");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
#[ignore = "needs chromium: make test-page"]
fn values_are_shown_where_it_is_pointed_at() {
    let script = "point(1, 0.5001);
      const result = { time: seen('.tip b').map((one) => one.textContent), rows: rows(), cursors: seen('.cursor').length };";
    let result = run(1280, false, script, "pointed-at");
    assert_eq!(result["time"], json!(["5:00 to 5:05"]));
    assert_eq!(result["cursors"], 4, "the same moment in each chart");
    let rows = result["rows"].as_array().expect("a list");
    assert_eq!(rows[0], "the stack (CPU 150 % and 14 requests/s): 7");
    assert!(
        rows.contains(&json!("the maximum (12 pods, fixed): 12")),
        "{rows:#?}"
    );
}

#[test]
#[ignore = "needs chromium: make test-page"]
fn a_line_without_its_tick_is_gone_from_charts_and_values() {
    let script = "const lines = () => seen('path[data-line=\"1\"]').length;
      const before = lines();
      document.getElementById('line-1').click();
      point(1, 0.5001);
      const result = { before, after: lines(), rows: rows() };";
    let result = run(1280, false, script, "without-a-line");
    assert_eq!(
        (&result["before"], &result["after"]),
        (&json!(3), &json!(0))
    );
    let rows = result["rows"].as_array().expect("a list");
    assert!(
        rows.len() > 4 && !rows.iter().any(|row| row.to_string().contains("CPU alone")),
        "{rows:#?}"
    );
}

#[test]
#[ignore = "needs chromium: make test-page"]
fn the_arrow_keys_go_from_interval_to_interval() {
    let script = "const plot = document.querySelectorAll('.plot')[2];
      const press = (key) => plot.dispatchEvent(new KeyboardEvent('keydown', { key }));
      const time = () => seen('.tip b').map((one) => one.textContent).join();
      plot.focus();
      const result = [];
      for (const key of ['End', 'ArrowLeft', 'Home', 'ArrowRight', 'Escape']) { press(key); result.push(time()); }";
    let result = run(1280, false, script, "keys");
    let expected = [
        "9:55 to 10:00",
        "9:50 to 9:55",
        "0:00 to 0:05",
        "0:05 to 0:10",
        "",
    ];
    assert_eq!(result, json!(expected));
}

/// Neither on a telephone nor on a wide screen, light or dark.
#[test]
#[ignore = "needs chromium: make test-page"]
fn nothing_is_cut_off_and_no_texts_of_an_axis_overlap() {
    // A window of Chromium is 500 wide at least: the page of a telephone is as narrow as its body.
    let script = |width: u32| {
        format!(
            "document.body.style.width = '{width}px'; document.body.style.margin = 0;
      point(2, 0.7);
      const boxes = (selector) => seen(selector).map((one) => one.getBoundingClientRect());
      const overlap = (one, other) => one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
      const result = [];
      for (const figure of document.querySelectorAll('figure')) {{
        const texts = [...figure.querySelectorAll('.xs span, .ys span, .axis, h2')].filter((one) => one.getClientRects().length > 0);
        for (const [index, one] of texts.entries()) {{
          for (const other of texts.slice(index + 1)) {{
            if (overlap(one.getBoundingClientRect(), other.getBoundingClientRect())) result.push(`${{one.textContent}} and ${{other.textContent}}`);
          }}
          const {{ left, right }} = one.getBoundingClientRect();
          if (left < 0 || right > {width}) result.push(`${{one.textContent}} is outside`);
        }}
      }}
      for (const box of boxes('.tip, .tiles div, .verdict, .key li, figure')) if (box.left < 0 || box.right > {width}) result.push(`a box from ${{box.left}} to ${{box.right}}`);
      if (document.documentElement.scrollWidth > Math.max({width}, innerWidth)) result.push('the page can be scrolled sideways');"
        )
    };
    for (width, is_dark, picture) in [
        (1280, false, "wide"),
        (1280, true, "dark"),
        (500, false, "narrow"),
        (500, true, "narrow-dark"),
    ] {
        let result = run(width, is_dark, &script(width), picture);
        assert_eq!(result, json!([]), "{picture}");
    }
}
