"""Results as people read them: tables, captions, footnotes, formats, the report."""
