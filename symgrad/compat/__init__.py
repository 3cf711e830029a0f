"""Other libraries' spellings of symgrad."""
