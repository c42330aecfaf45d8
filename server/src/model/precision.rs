//! Where a precision is possible.

use tch::Device;
use uninlu_settings::Precision;

/// Why a device cannot compute so. `flags` are those of `/proc/cpuinfo`: without the processor's own instructions
/// libtorch would still answer, many times slower than in fp32.
///
/// # Errors
/// The reason, and what to do.
pub fn check_precision(precision: Precision, device: Device, flags: &str) -> Result<(), String> {
    let has = |wanted: &[&str]| flags.split_whitespace().any(|flag| wanted.contains(&flag));
    let on_cpu = device == Device::Cpu;
    let reason = match precision {
        Precision::Bf16 if on_cpu && !has(&["avx512_bf16", "amx_bf16"]) => {
            "bf16 needs a CPU with avx512_bf16 or amx_bf16"
        }
        Precision::Int8 if !on_cpu => "int8 runs on CPUs only",
        Precision::Int8 if !has(&["avx512_vnni", "avx_vnni", "amx_int8"]) => {
            "int8 needs a CPU with avx512_vnni, avx_vnni or amx_int8"
        }
        Precision::Fp16 if on_cpu => "fp16 runs on GPUs only",
        _ => return Ok(()),
    };
    Err(format!("{reason}; fix: --precision fp32"))
}

/// The flags of this machine's processor.
pub fn processor_flags() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("flags")?.split_once(':'))
        .map(|(_, flags)| flags.trim().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_is_refused_where_it_would_be_emulated() {
        let cases = [
            (Precision::Fp32, Device::Cpu, "", true),
            (Precision::Bf16, Device::Cpu, "avx512f avx512_bf16", true),
            (Precision::Bf16, Device::Cpu, "avx512f", false),
            (Precision::Bf16, Device::Cuda(0), "", true),
            (Precision::Int8, Device::Cpu, "avx_vnni", true),
            (Precision::Int8, Device::Cpu, "avx2", false),
            (Precision::Int8, Device::Cuda(0), "avx_vnni", false),
            (Precision::Fp16, Device::Cpu, "avx512_fp16", false),
            (Precision::Fp16, Device::Cuda(0), "", true),
        ];
        for (precision, device, flags, is_possible) in cases {
            let checked = check_precision(precision, device, flags);
            assert_eq!(
                checked.is_ok(),
                is_possible,
                "{precision:?} {device:?} {flags}"
            );
        }
    }
}
