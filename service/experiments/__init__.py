"""What the verbs that train and compare networks run; never imported to serve."""
