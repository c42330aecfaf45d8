//! What is asked: texts that differ from each other, of the lengths and schemas that callers send. Pure, by seed.

use bytes::Bytes;
use clap::ValueEnum;
use fastrand::Rng;
use serde_json::{Value, json};

/// Kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// About 12 characters, one type
    Tiny,
    /// About 38 characters, four types
    Short,
    /// Types within types: two and three levels
    Nested,
    /// About 600 characters (two windows), two types
    Long,
    /// 70 short, 20 nested and 10 long of 100, in random order
    Mixed,
}

/// Request bodies, the same for the same seed.
pub(crate) fn bodies(workload: Workload, seed: u64, many: usize) -> Vec<Bytes> {
    let mut random = Rng::with_seed(seed);
    (0..many)
        .map(|_| Bytes::from(body(workload, &mut random).to_string()))
        .collect()
}

fn body(workload: Workload, random: &mut Rng) -> Value {
    match workload {
        Workload::Tiny => tiny(random),
        Workload::Short => short(random),
        Workload::Nested => nested(random),
        Workload::Long => long(random),
        Workload::Mixed => match random.u8(0..100) {
            0..70 => short(random),
            70..90 => nested(random),
            _ => long(random),
        },
    }
}

fn tiny(random: &mut Rng) -> Value {
    let text = format!("{}在{}任职。", name(random), pick(random, &COMPANIES));
    json!({"text": text, "schema": four_types()})
}

fn short(random: &mut Rng) -> Value {
    json!({
        "text": career(random),
        "schema": four_types(),
    })
}

/// The types that `uninlu rehearse` asks for, too.
fn four_types() -> Value {
    json!({"人物": null, "地理位置": null, "组织机构": null, "时间": null})
}

fn nested(random: &mut Rng) -> Value {
    let schema = if random.bool() {
        json!({"人物": {"任职公司": null, "毕业院校": null, "职务": null}})
    } else {
        json!({"组织机构": {"负责人": {"职务": null}, "所在地": null}})
    };
    json!({"text": career(random), "schema": schema})
}

fn long(random: &mut Rng) -> Value {
    let mut text = String::new();
    while text.chars().count() < 600 {
        text.push_str(&contract(random));
    }
    json!({"text": text, "schema": {"人物": null, "金额": null}})
}

fn career(random: &mut Rng) -> String {
    let (year, name, school) = (random.u16(1998..2025), name(random), pick(random, &SCHOOLS));
    let (city, company, post) = (
        pick(random, &CITIES),
        pick(random, &COMPANIES),
        pick(random, &POSTS),
    );
    let pay = random.u32(8..60);
    format!("{year}年{name}从{school}毕业后到{city}，在{company}任{post}，月薪{pay}千元。")
}

fn contract(random: &mut Rng) -> String {
    let (year, month, day) = (random.u16(2001..2025), random.u8(1..13), random.u8(1..29));
    let (name, company, city) = (
        name(random),
        pick(random, &COMPANIES),
        pick(random, &CITIES),
    );
    let (amount, subject) = (random.u32(100..99_999), pick(random, &SUBJECTS));
    format!(
        "{year}年{month}月{day}日，{company}的{name}在{city}签下{subject}合同，总额{amount}万元。"
    )
}

fn name(random: &mut Rng) -> String {
    let given: String = (0..random.usize(1..3))
        .map(|_| pick(random, &GIVEN))
        .collect();
    format!("{}{given}", pick(random, &FAMILY))
}

fn pick<'a>(random: &mut Rng, choices: &[&'a str]) -> &'a str {
    random.choice(choices).copied().unwrap_or_default()
}

const FAMILY: [&str; 12] = [
    "王", "李", "张", "刘", "陈", "杨", "黄", "周", "吴", "徐", "孙", "欧阳",
];
const GIVEN: [&str; 14] = [
    "伟", "芳", "敏", "静", "丽", "强", "磊", "洋", "勇", "艳", "杰", "娟", "涛", "明",
];
const CITIES: [&str; 10] = [
    "北京",
    "上海",
    "成都",
    "武汉",
    "西安",
    "南京",
    "重庆",
    "哈尔滨",
    "乌鲁木齐",
    "厦门",
];
const SCHOOLS: [&str; 6] = [
    "清华大学",
    "同济大学",
    "四川大学",
    "南开大学",
    "哈工大",
    "浙江理工大学",
];
const COMPANIES: [&str; 8] = [
    "海天电子公司",
    "远望软件",
    "中州银行",
    "绿洲科技",
    "长风物流集团",
    "启明医药",
    "东方重工",
    "星河传媒",
];
const POSTS: [&str; 8] = [
    "工程师",
    "会计",
    "项目经理",
    "产品总监",
    "司机",
    "翻译",
    "数据分析师",
    "店长",
];
const SUBJECTS: [&str; 6] = ["供货", "工程", "租赁", "咨询服务", "设备采购", "技术开发"];

#[cfg(test)]
mod tests {
    use super::*;

    fn made(workload: Workload, many: usize) -> Vec<Value> {
        let bodies = bodies(workload, 11, many);
        bodies
            .iter()
            .map(|body| serde_json::from_slice(body).expect("JSON"))
            .collect()
    }

    fn characters(body: &Value) -> usize {
        body["text"].as_str().expect("a text").chars().count()
    }

    #[test]
    fn a_short_text_has_about_38_characters_and_four_types() {
        let bodies = made(Workload::Short, 1_000);
        let mean = bodies.iter().map(characters).sum::<usize>() as f64 / 1e3;
        assert!((37.0..39.0).contains(&mean), "mean {mean}");
        assert!(bodies.iter().all(|body| {
            body["schema"]
                .as_object()
                .is_some_and(|types| types.len() == 4)
        }));
    }

    #[test]
    fn the_mix_is_70_short_20_nested_and_10_long() {
        let bodies = made(Workload::Mixed, 2_000);
        let long = bodies.iter().filter(|body| characters(body) > 500).count();
        let nested = bodies
            .iter()
            .filter(|body| body["schema"].to_string().contains(":{"))
            .count();
        assert!(
            (160..240).contains(&long) && (340..460).contains(&nested),
            "{long} long, {nested} nested"
        );
    }

    #[test]
    fn requests_differ_and_a_seed_repeats_them() {
        let first = bodies(Workload::Mixed, 5, 300);
        assert_eq!(first, bodies(Workload::Mixed, 5, 300));
        let different: std::collections::BTreeSet<&Bytes> = first.iter().collect();
        assert!(
            different.len() > 295,
            "{} of 300 differ: a cache of answers would flatter a server",
            different.len()
        );
    }
}
