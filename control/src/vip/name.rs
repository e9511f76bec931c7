//! Names of VIPs: how the host of a label and the name of a framework become one DNS name.
//!
//! The rules are those of DC/OS (`mesos_state:label/1` and `domain_frag/1`), including how a
//! label that is too long is filled up again, so that names match those of existing clusters.
//! One thing differs on purpose: a part that normalises to nothing is dropped, where DC/OS
//! leaves an empty DNS label behind.

/// Longest label of a DNS name (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;
/// Longest `<label>.<framework>`: a DNS name's 253 characters without `.l4lb.thisdcos.directory`.
const MAX_NAME: usize = 229;

/// Why there is no VIP name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing of the host may be part of a DNS name.
    #[error(
        "the name {host:?} has no letter or digit left once it is made a DNS name; \
         write a name with at least one of a-z or 0-9, such as `/my-service:80`"
    )]
    EmptyHost {
        /// The host as written.
        host: String,
    },
    /// Nothing of the framework's name may be part of a DNS name.
    #[error(
        "the framework name {framework:?} has no letter or digit left once it is made a DNS name; \
         give one with at least one of a-z or 0-9"
    )]
    EmptyFramework {
        /// The framework as written.
        framework: String,
    },
    /// The name leaves no room for the zone.
    #[error("the name {name:?} has {} characters; DNS allows {MAX_NAME} before the zone, so shorten it", name.len())]
    TooLong {
        /// The normalised name.
        name: String,
    },
}

/// Normalises one DNS label: lower case, `_` as `-`, everything else but letters, digits and
/// dashes dropped, no dash at either end, at most 63 characters.
///
/// A label cut at 63 characters loses its trailing dashes and is filled up again with the
/// letters and digits that follow, as DC/OS does. The result may be empty.
#[must_use]
pub fn label(input: &str) -> String {
    let mut rest = input
        .chars()
        .filter_map(normalise)
        .skip_while(|c| *c == '-');
    let mut out: String = rest.by_ref().take(MAX_LABEL).collect();
    trim_dashes(&mut out);
    let room = MAX_LABEL - out.len();
    // Without a cut, `rest` is exhausted and this adds nothing.
    out.extend(rest.filter(char::is_ascii_alphanumeric).take(room));
    out
}

/// Normalises a dotted name: every part by [`label`], parts of which nothing is left dropped.
#[must_use]
pub fn domain(input: &str) -> String {
    let parts: Vec<String> = input
        .split('.')
        .map(label)
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(".")
}

/// The name of the VIP that `host` of a label means in `framework`, without the zone:
/// `/my_app` in `marathon` is `my-app.marathon`.
///
/// # Errors
/// If nothing is left of either part, or the name is too long for DNS.
pub fn vip_name(host: &str, framework: &str) -> Result<String, NameError> {
    let (left, right) = (domain(host), domain(framework));
    if left.is_empty() {
        return Err(NameError::EmptyHost {
            host: host.to_owned(),
        });
    }
    if right.is_empty() {
        return Err(NameError::EmptyFramework {
            framework: framework.to_owned(),
        });
    }
    let name = format!("{left}.{right}");
    if name.len() > MAX_NAME {
        Err(NameError::TooLong { name })
    } else {
        Ok(name)
    }
}

/// What a character becomes in a label; `None` drops it.
fn normalise(c: char) -> Option<char> {
    match c {
        'a'..='z' | '0'..='9' => Some(c),
        'A'..='Z' => Some(c.to_ascii_lowercase()),
        '-' | '_' => Some('-'),
        _ => None,
    }
}

fn trim_dashes(label: &mut String) {
    label.truncate(label.trim_end_matches('-').len());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vip::vectors::vectors;

    #[test]
    fn labels_match_upstream() {
        for case in vectors().label {
            assert_eq!(label(&case.input), case.output, "label of {:?}", case.input);
        }
    }

    #[test]
    fn domains_match_upstream() {
        for case in vectors().domain {
            assert_eq!(
                domain(&case.input),
                case.output,
                "domain of {:?}",
                case.input
            );
        }
    }

    #[test]
    fn names_match_upstream() {
        for case in vectors().addresses {
            assert_eq!(
                vip_name(&case.label_host, &case.framework),
                Ok(case.normalised)
            );
        }
    }

    #[test]
    fn parts_of_which_nothing_is_left_are_dropped() {
        assert_eq!(domain("a.$.b"), "a.b");
        assert_eq!(vip_name("a.$.b", "marathon").as_deref(), Ok("a.b.marathon"));
    }

    #[test]
    fn a_refilled_label_takes_no_dashes_from_the_remainder() {
        let long = format!("{}--1-2-3", "a".repeat(61));
        assert_eq!(label(&long), format!("{}12", "a".repeat(61)));
    }

    #[test]
    fn a_name_of_nothing_is_refused() {
        let host = vip_name("/$$", "marathon").expect_err("nothing is left");
        assert!(host.to_string().contains("\"/$$\""), "{host}");
        assert!(matches!(
            vip_name("a", "."),
            Err(NameError::EmptyFramework { .. })
        ));
    }

    #[test]
    fn a_name_too_long_for_dns_is_refused() {
        let host = vec!["a".repeat(63); 4].join(".");
        assert!(matches!(
            vip_name(&host, "marathon"),
            Err(NameError::TooLong { .. })
        ));
    }

    proptest! {
        #[test]
        fn labels_are_valid_or_empty(input in any::<String>()) {
            let label = label(&input);
            prop_assert!(label.len() <= MAX_LABEL);
            prop_assert!(!label.starts_with('-') && !label.ends_with('-'));
            prop_assert!(label.chars().all(|c| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit()));
        }

        #[test]
        fn normalising_twice_changes_nothing(input in "[a-zA-Z0-9_.$ /-]{0,200}") {
            let once = domain(&input);
            prop_assert_eq!(domain(&once), once);
        }
    }
}
