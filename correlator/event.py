"""An event: what all notices of one burst imply together, in whichever order they came."""
