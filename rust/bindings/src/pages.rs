//! What kind of pages to ask for behind large new results.

use std::fs;
use std::sync::OnceLock;

use pyo3::prelude::*;

/// Whether huge pages are likely to be cheaper than ordinary ones.
///
/// Not where a virtual machine reports free memory to its host: the host takes back just those blocks that huge pages are
/// made of, and gives each again only after a fault of its own. A result on them was up to six times as slow as on
/// ordinary pages, which the kernel recycles before it reports them.
#[pyfunction]
pub(crate) fn huge_pages_pay() -> bool {
    static PAY: OnceLock<bool> = OnceLock::new();
    *PAY.get_or_init(|| fs::read_to_string(REPORTING).map_or(true, |order| !reports(&order)))
}

/// The order of the blocks that are reported, or −1 while nobody asks for reports.
fn reports(order: &str) -> bool {
    order.trim().parse::<u8>().is_ok()
}

const REPORTING: &str = "/sys/module/page_reporting/parameters/page_reporting_order";

#[cfg(test)]
mod tests {
    use super::reports;

    #[test]
    fn an_order_is_a_report_and_minus_one_is_none() {
        assert!(reports("9\n"));
        assert!(!reports("-1\n"));
        assert!(!reports("4294967295\n"));
        assert!(!reports(""));
    }
}
