[line_length: 110, inputs: ["{mix,.formatter,cache,demo,large}.exs", "{lib,demo,test}/**/*.{ex,exs}"]]
