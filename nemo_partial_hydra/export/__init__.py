"""Recipe factories exported as recipe libraries, and libraries checked."""
