"""`logship doctor`: what is wrong here or will be, in plain words, with the next step."""
