//! Labels: the part of a full name that tells the checkouts of a project apart.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use crate::short_name::{ShortName, slug};

/// The label of a checkout; empty for the main one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Label(String);

impl Label {
    /// The maximum length in bytes of a label that a folder gives.
    const MAX_BYTES: usize = 40;

    /// Returns the label of a checkout in this folder: its name without the project's, or that of
    /// the folder above where it is called like the project.
    pub fn of_folder(folder: &Path, project: &ShortName) -> Self {
        let project = slug(project.as_str());
        let names = folder.ancestors().filter_map(Path::file_name).map(OsStr::to_string_lossy);
        let name = names.map(|name| slug(&name)).find(|name| *name != project).unwrap_or_default();
        let start = format!("{project}-");
        let rest = name.strip_prefix(&start).filter(|_| !project.is_empty()).unwrap_or(&name);
        let cut = rest.get(..Self::MAX_BYTES).unwrap_or(rest).trim_matches('-');
        Self(if cut.is_empty() { "checkout".to_owned() } else { cut.to_owned() })
    }

    /// Takes the label of a full name over.
    pub(super) fn of_name(label: Option<ShortName>) -> Self {
        Self(label.map(|label| label.to_string()).unwrap_or_default())
    }

    /// Returns whether this is the label of the main checkout, which is none.
    pub fn is_main(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the label as text; empty for the main checkout.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name of a project's checkout: the project, and after a dash the label.
    pub fn checkout(&self, project: &ShortName) -> String {
        match self.is_main() {
            true => project.to_string(),
            false => format!("{project}-{self}"),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn a_label_is_what_a_folder_adds_to_the_project() {
        let long = format!("/b/{}", "x".repeat(60));
        let cut = "x".repeat(40);
        // (folder, project, label)
        let rows: [(&[u8], &str, &str); 17] = [
            (b"/src/fix-login", "shop", "fix-login"),
            (b"/src/shop-fix-login", "shop", "fix-login"),
            (b"/src/Shop.Fix_Login", "shop", "fix-login"),
            (b"/src/shopfix", "shop", "shopfix"),
            (b"/b/shop", "shop", "b"),
            (b"/b/shop", "Shop", "b"),
            (b"/shop-b/shop", "shop", "b"),
            (b"/shop/shop", "shop", "checkout"),
            (b"/shop", "shop", "checkout"),
            (b"/", "shop", "checkout"),
            (b"/b/shop-", "shop", "b"),
            (b"/b/my app (2)", "shop", "my-app-2"),
            ("/b/größe".as_bytes(), "shop", "gr-e"),
            ("/b/名前".as_bytes(), "shop", "checkout"),
            (b"/b/a\n\xffb", "shop", "a-b"),
            (b"/b/-a", "_", "a"),
            (long.as_bytes(), "shop", &cut),
        ];
        for (folder, project, label) in rows {
            let folder = Path::new(OsStr::from_bytes(folder));
            let found = Label::of_folder(folder, &ShortName::parse(project).unwrap());
            assert_eq!(found.as_str(), label, "{folder:?}");
        }
    }

    #[test]
    fn the_main_checkout_is_called_like_the_project() {
        let project = ShortName::parse("shop").unwrap();
        let label = Label("fix".to_owned());
        assert_eq!(Label::default().checkout(&project), "shop");
        assert_eq!(label.checkout(&project), "shop-fix");
    }
}
