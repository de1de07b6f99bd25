//! Temperatures of /sys/class/hwmon: what the hardware's sensors tell, by chip and label.

use std::path::{Path, PathBuf};

use domain::metric::Metric;

use super::file::KeptFile;
use super::text::instance;
use super::{Collect, INSTANCES_MAX, Outcome, Roots, Samples};

/// Sensors come and go with modules and plugs; looking for them costs more than reading them.
const LOOK_AGAIN_NS: u64 = 600_000_000_000;
/// What no sensor measures: a broken or unplugged one tells such numbers.
const PLAUSIBLE_MILLI: std::ops::RangeInclusive<i64> = -80_000..=200_000;

struct Sensor {
    name: String,
    file: KeptFile,
}

/// The collector.
pub struct Temperature {
    folder: PathBuf,
    sensors: Vec<Sensor>,
    left_out: usize,
    looked_at_ns: Option<u64>,
}

impl Temperature {
    pub fn new(roots: &Roots) -> Self {
        Self {
            folder: roots.sys.join("class/hwmon"),
            sensors: Vec::new(),
            left_out: 0,
            looked_at_ns: None,
        }
    }

    fn look(&mut self) {
        let mut found = find(&self.folder);
        found.sort();
        // Two chips of one kind have the same names: the second is told apart by its number.
        let mut names = std::collections::BTreeSet::new();
        self.sensors = Vec::new();
        for (name, path) in found {
            let mut own = name.clone();
            let mut number = 2;
            while !names.insert(own.clone()) {
                own = format!("{name} {number}");
                number += 1;
            }
            self.sensors.push(Sensor {
                name: own,
                file: KeptFile::new(path),
            });
        }
        self.left_out = self.sensors.len().saturating_sub(INSTANCES_MAX);
        self.sensors.truncate(INSTANCES_MAX);
    }
}

/// (name, file) of each sensor.
fn find(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let Ok(chips) = std::fs::read_dir(folder) else {
        return found;
    };
    for chip in chips.flatten() {
        let chip_name = label(&chip.path().join("name")).unwrap_or_else(|| "sensor".to_owned());
        let Ok(files) = std::fs::read_dir(chip.path()) else {
            continue;
        };
        for file in files.flatten() {
            let name = file.file_name();
            let Some(own) = name.to_str().and_then(|name| {
                name.strip_prefix("temp")
                    .and_then(|name| name.strip_suffix("_input"))
            }) else {
                continue;
            };
            let told = label(&chip.path().join(format!("temp{own}_label")));
            let sensor = told.unwrap_or_else(|| format!("temp{own}"));
            let full = instance(format!("{chip_name} {sensor}").as_bytes());
            found.push((full, file.path()));
        }
    }
    found
}

fn label(path: &Path) -> Option<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(256).read_to_end(&mut bytes))
        .ok()?;
    Some(instance(bytes.trim_ascii())).filter(|text| !text.is_empty())
}

impl Collect for Temperature {
    fn collect(&mut self, now_ns: u64, out: &mut Samples) -> Outcome {
        if self
            .looked_at_ns
            .is_none_or(|looked| now_ns.saturating_sub(looked) >= LOOK_AGAIN_NS)
        {
            self.looked_at_ns = Some(now_ns);
            self.look();
        }
        if self.sensors.is_empty() {
            return Outcome::Absent("this host shows no temperature sensor".to_owned());
        }
        let mut silent = 0;
        for sensor in &mut self.sensors {
            let told = sensor.file.read(now_ns).ok().and_then(milli);
            match told {
                Some(milli) => {
                    out.begin(&sensor.name);
                    out.put(Metric::TemperatureCelsius, milli as f64 / 1000.0);
                }
                // Many sensors give an error while their device sleeps.
                None => silent += 1,
            }
        }
        let mut notes = Vec::new();
        if silent > 0 {
            notes.push(format!("{silent} sensors tell nothing"));
        }
        if self.left_out > 0 {
            notes.push(format!(
                "{} sensors beyond {INSTANCES_MAX} are left out",
                self.left_out
            ));
        }
        Outcome::Ok((!notes.is_empty()).then(|| notes.join(", ")))
    }
}

/// Thousandths of a degree, as the kernel tells them.
fn milli(bytes: &[u8]) -> Option<i64> {
    let milli: i64 = std::str::from_utf8(bytes.trim_ascii()).ok()?.parse().ok()?;
    PLAUSIBLE_MILLI.contains(&milli).then_some(milli)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_are_read_and_what_is_none_is_not() {
        assert_eq!(milli(b"45000\n"), Some(45_000));
        assert_eq!(milli(b"-5500\n"), Some(-5_500));
        for bad in [&b""[..], b"x", b"4e3", b"999999999", b"-273150000"] {
            assert_eq!(milli(bad), None);
        }
    }

    #[test]
    fn sensors_are_named_by_chip_and_label() {
        let temp = tempfile::tempdir().unwrap();
        let roots = Roots {
            sys: temp.path().to_owned(),
            ..Roots::default()
        };
        let write = |file: &str, text: &str| {
            let path = temp.path().join("class/hwmon").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let mut collector = Temperature::new(&roots);
        let mut samples = Samples::default();
        let none = collector.collect(1, &mut samples);
        assert!(matches!(none, Outcome::Absent(_)), "{none:?}");
        for chip in ["hwmon0", "hwmon1"] {
            write(&format!("{chip}/name"), "coretemp\n");
            write(&format!("{chip}/temp1_label"), "Package id 0\n");
            write(&format!("{chip}/temp1_input"), "45500\n");
        }
        write("hwmon2/name", "nvme\n");
        write("hwmon2/temp1_input", "rubbish\n");
        write("hwmon2/fan1_input", "900\n");
        let mut collector = Temperature::new(&roots);
        let mut samples = Samples::default();
        let outcome = collector.collect(1, &mut samples);
        assert_eq!(
            outcome,
            Outcome::Ok(Some("1 sensors tell nothing".to_owned()))
        );
        let told: Vec<(String, Vec<i64>)> = samples
            .into_groups()
            .into_iter()
            .map(|group| (group.instance, group.values))
            .collect();
        let value = vec![i64::from(Metric::TemperatureCelsius.wire()), 455];
        assert_eq!(
            told,
            [
                ("coretemp Package id 0".to_owned(), value.clone()),
                ("coretemp Package id 0 2".to_owned(), value)
            ]
        );
    }
}
