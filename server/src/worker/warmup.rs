//! What happens between loading the model and being ready: the first predictions, which are the slowest, and two proofs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uninlu_settings::Choice;

use super::engine::Engine;
use super::error::PredictError;
use super::request::{Prediction, Request};
use crate::model::Precision;
use crate::model_error::ModelError;
use crate::schema::Schema;

/// Sentences of the usual tasks; a precision that answers one of them differently is not served.
const CHECKS: [(&str, &str); 6] = [
    (
        "1944年毕业于北大的名古屋铁道会长谷口清太郎等人在日本积极筹资，共筹款2.7亿日元。",
        r#"{"人物": null, "地理位置": null, "组织机构": null}"#,
    ),
    (
        "在北京冬奥会自由式滑雪女子大跳台决赛中，中国选手谷爱凌以188.25分夺得金牌。",
        r#"{"人物": {"比赛项目(赛事名称)": null, "选手国籍(国籍)": null}}"#,
    ),
    (
        "7月28日，天津泰达在德比战中以0-1负于天津天海。",
        r#"{"胜负(事件触发词)": {"时间": null, "败者": null, "胜者": null, "赛事名称": null}}"#,
    ),
    (
        "很满意，音质很好，发货速度快，值得购买",
        r#"{"属性词": {"情感词": null}}"#,
    ),
    (
        "正向,负向|有点看不下去了，看作者介绍就觉得挺矫情了",
        r#"{"情感分类": null}"#,
    ),
    (
        "相似,不相似|怎样保护隐私?&怎么可以保护隐私?",
        r#"{"文本匹配": null}"#,
    ),
];

/// Tokens of a batch while the server warms up.
const BUDGET: usize = 512;

/// Repetitions of a sentence that make about half a batch's tokens, of which two types then make one.
const BULK: usize = 5;

/// How often much work is measured at most, and after what time no more.
const MEASURES: usize = 5;
const MEASURING: Duration = Duration::from_millis(300);

/// Seconds that a token of a pass takes.
pub(super) struct Cost {
    /// In a usual request.
    pub(super) seconds_per_token: f64,
    /// In a batch of much work.
    pub(super) bulk: f64,
}

/// Predicts the warm-up text, then measures what a token of a pass costs.
pub(super) fn measure(engine: &Engine, text: Option<&str>) -> Result<Cost, ModelError> {
    if let Some(text) = text {
        answered(engine, &request(text, r#"{"预热": null}"#))?;
    }
    let check = request(CHECKS[0].0, CHECKS[0].1);
    // The first one compiles oneDNN's kernels.
    answered(engine, &check)?;
    let much = request(&CHECKS[0].0.repeat(BULK), r#"{"人物": null, "公司": null}"#);
    let usual = seconds_per_token(engine, &check)?;
    // The first of these compiles kernels too, and another process may take the processor: the least of them counts.
    let (mut bulk, began) = (usual, Instant::now());
    for _ in 0..MEASURES {
        bulk = bulk.min(seconds_per_token(engine, &much)?);
        if began.elapsed() > MEASURING {
            break;
        }
    }
    Ok(Cost {
        seconds_per_token: usual,
        bulk,
    })
}

fn seconds_per_token(engine: &Engine, request: &Request) -> Result<f64, ModelError> {
    let began = Instant::now();
    let prediction = answered(engine, request)?;
    Ok(began.elapsed().as_secs_f64() / prediction.tokens.max(1) as f64)
}

/// Compares a precision's answers with those of fp32.
///
/// # Errors
/// When one of the sentences is answered differently.
pub(super) fn check_precision(engine: &Engine, folder: &Path) -> Result<(), ModelError> {
    let precision = engine.model().precision();
    if precision == Precision::Fp32 {
        return Ok(());
    }
    let reference = Engine::load(folder, Precision::Fp32, engine.model().device())?;
    let mut different = Vec::new();
    for (text, schema) in CHECKS {
        let asked = request(text, schema);
        if answered(engine, &asked)?.output != answered(&reference, &asked)?.output {
            different.push(text);
        }
    }
    if different.is_empty() {
        return Ok(());
    }
    Err(ModelError::Precision(format!(
        "{} answers {} of {} test sentences differently from fp32, such as `{}`; fix: --precision fp32",
        precision.name(),
        different.len(),
        CHECKS.len(),
        different[0]
    )))
}

fn request(text: &str, schema: &str) -> Request {
    let value = serde_json::from_str(schema).expect("the schemas here are JSON");
    let schema = Schema::parse(&value).expect("the schemas here are schemas");
    Request {
        text: text.to_owned(),
        schema: Arc::new(schema),
        output_all_prefix: false,
        is_strict: false,
        deadline: None,
        allowance: Arc::default(),
    }
}

fn answered(engine: &Engine, request: &Request) -> Result<Prediction, ModelError> {
    let answer = engine
        .predict_all(std::slice::from_ref(request), BUDGET)
        .pop();
    match answer {
        Some(Ok(prediction)) => Ok(prediction),
        Some(Err(PredictError::Model(reason))) => Err(ModelError::Warmup(reason)),
        Some(Err(error)) => Err(ModelError::Warmup(error.to_string())),
        None => Err(ModelError::Warmup("no answer".into())),
    }
}
