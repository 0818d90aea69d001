"""Results as pages to look at: one self-contained HTML file, a static site, a summary for a pull request."""
