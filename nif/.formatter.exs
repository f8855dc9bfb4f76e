[line_length: 110, inputs: ["{mix,.formatter}.exs", "{lib,test,bench,native}/**/*.{ex,exs}"]]
