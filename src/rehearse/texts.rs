//! Texts of a length, made from a seed: no two are equal, so that no cache of answers helps.

use bytes::Bytes;
use fastrand::Rng;
use serde_json::json;

/// The body of a request: a text of exactly so many code points, and the four types that are asked for most.
pub fn body(characters: usize, seed: u64) -> Bytes {
    let body = json!({
        "text": text(characters, seed),
        "schema": { "人物": null, "地理位置": null, "组织机构": null, "时间": null },
    });
    Bytes::from(body.to_string())
}

/// A text of exactly so many code points.
pub fn text(characters: usize, seed: u64) -> String {
    let mut random = Rng::with_seed(seed);
    let mut text = String::new();
    while text.chars().count() < characters {
        text.push_str(&sentence(&mut random));
    }
    text.chars().take(characters).collect()
}

fn sentence(random: &mut Rng) -> String {
    let (year, month, day) = (random.u16(1970..2030), random.u8(1..13), random.u8(1..29));
    let (city, company) = (pick(random, &CITIES), pick(random, &COMPANIES));
    let (name, other) = (name(random), name(random));
    let amount = random.u32(100..99_999);
    match random.u8(0..3) {
        0 => format!("{year}年{month}月{day}日，{name}在{city}加入{company}，月薪{amount}元。"),
        1 => format!(
            "{company}的{name}与{other}在{city}签下{amount}万元的合同，{year}年{month}月生效。"
        ),
        _ => format!("{name}出生于{city}，{year}年起任{company}董事长，接替{other}。"),
    }
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
const CITIES: [&str; 8] = [
    "北京",
    "上海",
    "成都",
    "武汉",
    "西安",
    "重庆",
    "哈尔滨",
    "乌鲁木齐",
];
const COMPANIES: [&str; 6] = [
    "海天电子公司",
    "中州银行",
    "绿洲科技",
    "长风物流集团",
    "启明医药",
    "星河传媒",
];
